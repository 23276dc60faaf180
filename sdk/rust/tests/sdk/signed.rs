//! Signed requests: refused before they are read.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sea_mq_sdk::{Options, Secret, router};
use serde_json::json;
use sha2::Sha256;

use crate::context::Context;
use crate::socket::{Reply, Service, bytes, one};

const KEYS: [[u8; 24]; 3] = [[1; 24], [2; 24], [3; 24]];

fn secret(key: [u8; 24]) -> Secret {
    Secret::parse(&format!("whsec_{}", STANDARD.encode(key))).unwrap()
}

async fn send(service: &Service, method: &str, path: &str, body: &[u8], key: [u8; 24], off: i64) -> Reply {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap();
    let timestamp = (now + off).to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).unwrap();
    mac.update(format!("any.{timestamp}.").as_bytes());
    mac.update(body);
    let signature = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
    let headers = [
        ("webhook-id", "any"),
        ("webhook-timestamp", timestamp.as_str()),
        ("webhook-signature", signature.as_str()),
    ];
    service.send(method, path, &headers, body).await
}

#[tokio::test]
async fn only_what_one_of_the_secrets_signed_is_read() {
    let context = Context::new().await;
    let options =
        Options { batch: Some(5), secrets: vec![secret(KEYS[0]), secret(KEYS[1])], ..Options::default() };
    let service = Service::serve(router(context.handlers.clone(), options)).await;
    for (method, path) in [("POST", "/handle"), ("POST", "/handle/batch"), ("GET", "/handle/capabilities")] {
        let nonsense = if method == "POST" { &b"nonsense"[..] } else { b"" };
        assert_eq!(service.send(method, path, &[], nonsense).await.status, 401, "{path}");
        for (key, off) in [(KEYS[2], 0), (KEYS[0], 310), (KEYS[0], -310)] {
            assert_eq!(send(&service, method, path, nonsense, key, off).await.status, 401, "{path} {off}");
        }
        let expected = if method == "POST" { 400 } else { 200 };
        for key in [KEYS[0], KEYS[1]] {
            assert_eq!(send(&service, method, path, nonsense, key, 0).await.status, expected, "{path}");
        }
    }
    assert_eq!(service.get("/health/live").await.status, 200);
    assert_eq!(service.get("/health/ready").await.status, 200);
    let calls = context.calls("coin", &[json!({"note": "a"}), json!({"note": "b"})]).await;
    assert_eq!(send(&service, "POST", "/handle", &one(&calls[0]), KEYS[1], 0).await.status, 200);
    assert_eq!(send(&service, "POST", "/handle/batch", &bytes(&calls[1..]), KEYS[0], -290).await.status, 200);
    assert_eq!(context.notes().await, ["a", "b"]);
}
