//! How a body is signed and framed: the value of `x-amz-content-sha256`, and nothing else.
//!
//! Keyed on this header alone: `Content-Encoding: aws-chunked` is unsigned, and clients omit it.

/// One of the five forms of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadMode {
    /// A plain body whose SHA-256 is signed.
    Signed([u8; 32]),
    /// A plain body that is not signed.
    Unsigned,
    /// `aws-chunked` with signed chunks.
    StreamingSigned,
    /// `aws-chunked` with signed chunks and signed trailers.
    StreamingSignedTrailer,
    /// `aws-chunked` with neither, and trailers.
    StreamingUnsignedTrailer,
}

/// A value of `x-amz-content-sha256` that is none of the five (InvalidArgument).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, STREAMING-UNSIGNED-PAYLOAD-TRAILER, \
     STREAMING-AWS4-HMAC-SHA256-PAYLOAD, STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER or a valid \
     sha256 value"
)]
pub struct UnknownPayload;

impl PayloadMode {
    /// The mode of a header's value.
    pub fn parse(value: &str) -> Result<Self, UnknownPayload> {
        match value {
            "UNSIGNED-PAYLOAD" => Ok(Self::Unsigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" => Ok(Self::StreamingSigned),
            "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER" => Ok(Self::StreamingSignedTrailer),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER" => Ok(Self::StreamingUnsignedTrailer),
            digits => {
                let mut digest = [0; 32];
                hex::decode_to_slice(digits, &mut digest).map_err(|_| UnknownPayload)?;
                Ok(Self::Signed(digest))
            }
        }
    }

    /// Whether the body is framed as `aws-chunked`.
    pub fn is_streaming(self) -> bool {
        match self {
            Self::Signed(_) | Self::Unsigned => false,
            Self::StreamingSigned
            | Self::StreamingSignedTrailer
            | Self::StreamingUnsignedTrailer => true,
        }
    }

    /// Whether trailers follow the final chunk.
    pub fn has_trailers(self) -> bool {
        match self {
            Self::Signed(_) | Self::Unsigned | Self::StreamingSigned => false,
            Self::StreamingSignedTrailer | Self::StreamingUnsignedTrailer => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_value_is_refused() {
        let wrong = [
            "",
            "unsigned-payload",
            "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
            "STREAMING-UNSIGNED-PAYLOAD",
            &"0".repeat(63),
            &"0".repeat(65),
            &"g".repeat(64),
        ];
        for value in wrong {
            assert_eq!(PayloadMode::parse(value), Err(UnknownPayload), "{value}");
        }
        let right = PayloadMode::parse(&"0a".repeat(32));
        assert_eq!(right, Ok(PayloadMode::Signed([10; 32])));
    }
}
