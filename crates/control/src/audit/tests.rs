use std::time::Duration;

use store::Key;

use super::*;
use crate::access::{Principal, Role};

/// A disk that can be full.
#[derive(Clone, Default)]
pub(crate) struct MemorySink {
    lines: Arc<Mutex<Vec<String>>>,
    is_full: Arc<AtomicBool>,
}

impl MemorySink {
    pub(crate) fn lines(&self) -> Vec<serde_json::Value> {
        self.lines.lock().unwrap().iter().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

impl AuditSink for MemorySink {
    fn append(&self, line: &[u8]) -> io::Result<()> {
        if self.is_full.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.lines.lock().unwrap().push(String::from_utf8(line.to_vec()).unwrap());
        Ok(())
    }
}

fn audited(refusal: Option<&'static str>) -> Audited<'static> {
    Audited {
        request_id: "r",
        who: None,
        claimed: Some("A".repeat(1000)),
        source: Source::Address([192, 0, 2, 1].into()),
        service: "cloudfront",
        operation: "DeleteDistribution",
        named: Some("E1\n\u{1}\"".to_owned()),
        refusal,
    }
}

#[test]
fn a_line_says_who_what_and_what_came_of_it() {
    let sink = MemorySink::default();
    let trail = AuditTrail::new(sink.clone());
    let who = Who::Key(Principal {
        access_key_id: "AKIA".to_owned(),
        key_name: "ci".to_owned(),
        role: Role::Deploy,
        session: None,
    });
    let key = Key::new("0", "distribution", "E1");
    let transaction = Transaction::new()
        .when(key.clone(), Condition::AtRevision(Revision(7)))
        .put(Key::new("0", "bundle/distribution", "E1"), "")
        .put(key, "");
    let noted = Noted { touched: touched(&transaction).unwrap(), after: Revision(9) };
    trail.record(&Audited { who: Some(&who), claimed: None, ..audited(None) }, &[noted]);
    let mut line = sink.lines().remove(0);
    assert!(line["time"].take().as_str().unwrap().ends_with('Z'));
    let expect = serde_json::json!({
        "time": null, "requestId": "r", "accessKeyId": "AKIA", "claimedAccessKeyId": null, "key": "ci",
        "role": "deploy", "session": null, "source": "192.0.2.1", "operation": "cloudfront:DeleteDistribution",
        "resource": "distribution/E1", "before": 7, "after": 9, "outcome": "OK",
    });
    assert_eq!(line, expect);
}

#[test]
fn what_a_request_names_cannot_break_a_line_or_fill_the_disk() {
    let sink = MemorySink::default();
    AuditTrail::new(sink.clone()).record(&audited(Some("SignatureDoesNotMatch")), &[]);
    let line = sink.lines().remove(0);
    assert_eq!(line["resource"], "E1\n\u{1}\"");
    assert_eq!(line["claimedAccessKeyId"].as_str().unwrap().len(), AUDITED_TEXT_CHARACTERS_MAX);
    assert_eq!(sink.lines.lock().unwrap()[0].matches('\n').count(), 1);
}

#[test]
fn refusals_are_bounded_and_changes_are_not() {
    let sink = MemorySink::default();
    let trail = AuditTrail::new(sink.clone());
    let burst = AUDITED_REFUSALS_BURST as usize;
    for _ in 0..burst + 50 {
        trail.record(&audited(Some("AccessDenied")), &[]);
    }
    // A slow machine earns a few more meanwhile.
    assert!((burst..burst + 50).contains(&sink.lines().len()), "{}", sink.lines().len());
    trail.record(&audited(None), &[]);
    let line = sink.lines().pop().unwrap();
    assert_eq!(line["outcome"], "OK");
    assert!(line["suppressed"].as_u64().unwrap() > 0);
}

#[test]
fn an_allowance_is_earned_back() {
    let start = Instant::now();
    let mut allowance = Allowance::new(start);
    let taken = (0..1000).filter(|_| allowance.take(start)).count();
    assert_eq!(taken, AUDITED_REFUSALS_BURST as usize);
    let later = start + Duration::from_secs(1);
    let taken = (0..1000).filter(|_| allowance.take(later)).count();
    assert_eq!(taken, AUDITED_REFUSALS_PER_SECOND as usize);
}

#[test]
fn a_full_disk_is_counted() {
    let sink = MemorySink::default();
    let trail = AuditTrail::new(sink.clone());
    sink.is_full.store(true, Ordering::Relaxed);
    trail.record(&audited(None), &[]);
    sink.is_full.store(false, Ordering::Relaxed);
    trail.record(&audited(None), &[]);
    let metrics = trail.render_metrics();
    assert!(metrics.contains("\nmantlet_audit_lines_failed_total 1\n"), "{metrics}");
    assert!(metrics.contains("\nmantlet_audit_lines_written_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn commits_are_noted_by_whoever_listens() {
    let key = Key::new("0", "distribution", "E1");
    let touched = touched(&Transaction::new().when(key.clone(), Condition::Absent).put(key, ""));
    note(touched.clone(), Revision(1));
    let ((), notes) = noting(async { note(touched.clone(), Revision(2)) }).await;
    let expect = Noted { touched: touched.unwrap(), after: Revision(2) };
    assert_eq!(notes.as_slice(), [expect]);
}
