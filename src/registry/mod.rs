//! The library: one method for each operation on packages. Knows neither HTTP nor S3.
