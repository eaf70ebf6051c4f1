//! HTTP/1.1 end to end, at the socket.

use testkit::{FakeOrigin, FakeViewer, TestEdge};

#[tokio::test]
async fn a_request_reaches_the_origin_and_its_response_the_viewer() {
    let origin = FakeOrigin::bind().await;
    let edge = TestEdge::in_front_of(origin.address()).await;
    let mut viewer = FakeViewer::connect(edge.http).await;
    viewer.send("GET /a?b=c HTTP/1.1\r\nHost: api.test\r\nX-One: 1\r\n\r\n").await;

    let mut at_origin = origin.accept().await;
    let request = at_origin.request().await;
    assert_eq!(request.first_line, "GET /a?b=c HTTP/1.1");
    assert_eq!(request.value("host"), Some("api.test"));
    assert_eq!(request.value("x-one"), Some("1"));
    assert_eq!(request.value("x-forwarded-for"), Some("127.0.0.1"));
    at_origin.respond("hello").await;

    let response = viewer.response().await;
    assert_eq!((response.status(), response.text()), (200, "hello"));
    assert_eq!(response.value("x-cache"), Some("Miss from cloudfront"));
    assert_eq!(response.value("via"), Some("1.1 0123456789abcdef.cloudfront.net (CloudFront)"));
    assert_eq!(response.value("x-amz-cf-id"), request.value("x-amz-cf-id"));
    assert!(response.value("date").is_some());
}
