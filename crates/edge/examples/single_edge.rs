//! One edge thread in front of one origin, for measurements: `single_edge ORIGIN`.

#![expect(clippy::unwrap_used, reason = "whoever measures wants to see what failed")]

use testkit::{TestEdge, distribution, http_origin};

fn main() {
    let origin = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let edge = TestEdge::with([distribution("api.test", http_origin(origin))]).await;
        println!("http {}\nhttps {}\npid {}", edge.http, edge.https, std::process::id());
        std::future::pending::<()>().await;
    });
}
