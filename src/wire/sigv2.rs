//! AWS signature version 2, which `aws s3 presign` and boto3 still make for presigned URLs.
//! <https://docs.aws.amazon.com/AmazonS3/latest/userguide/RESTAuthentication.html>
