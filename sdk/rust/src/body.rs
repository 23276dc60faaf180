//! The bodies of requests, with a bound.

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures::StreamExt;

use crate::wire::Refused;

/// A caller that sends more than this many times the limit is not listened to until the end: others would be cut off
/// while they write, and not see the answer.
const PATIENCE: usize = 4;

/// The whole body; 413 when it has more than `limit` bytes, of which nothing is kept.
pub(crate) async fn read(body: Body, limit: usize) -> Result<Bytes, Refused> {
    let mut parts = body.into_data_stream();
    let (mut length, mut kept) = (0, Vec::new());
    while let Some(part) = parts.next().await {
        let part = part.map_err(|_| (StatusCode::BAD_REQUEST, "the request was cut off".to_owned()))?;
        length += part.len();
        if length <= limit {
            kept.extend_from_slice(&part);
        } else if length <= PATIENCE * limit {
            kept = Vec::new();
        } else {
            break;
        }
    }
    if length > limit {
        return Err((StatusCode::PAYLOAD_TOO_LARGE, format!("at most {limit} bytes are taken")));
    }
    Ok(kept.into())
}
