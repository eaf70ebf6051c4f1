//! Clocks that end an answer too early.

use json_patch::Patch;

use crate::limits::{DEFAULT_READ_TIMEOUT_SECONDS, STREAM_READ_TIMEOUT_SECONDS};
use crate::patterns::names_a_stream;
use crate::place::Place;
use crate::rule::{Finding, Rule, set, unset};
use crate::subject::{Subject, TargetedOrigin};
use crate::warning::Severity;

pub(super) const READ: Rule = Rule {
    code: "origin-read-timeout-under-stream",
    severity: Severity::Medium,
    warns: "OriginReadTimeout is below 60 s under a path that is named like a stream (events, chat, completions …), \
            or below CloudFront's own 30 s under any API.",
    silent: "30 s and more under an API whose paths do not tell of streams; buckets.",
    patches: "60 s; a shorter ResponseCompletionTimeout is raised to the same",
    find: find_read,
};

pub(super) const COMPLETION: Rule = Rule {
    code: "response-completion-timeout-under-stream",
    severity: Severity::Medium,
    warns: "ResponseCompletionTimeout is set under a path that is named like a stream.",
    silent: "Origins without such a path.",
    patches: "Takes the timeout away",
    find: find_completion,
};

fn find_read(subject: &Subject<'_>) -> Vec<Finding> {
    subject.origins.iter().filter_map(|origin| read_finding(subject, origin)).collect()
}

fn read_finding(subject: &Subject<'_>, origin: &TargetedOrigin<'_>) -> Option<Finding> {
    let (place, seconds) = read_timeout(origin)?;
    let streaming = streaming_path(subject, origin);
    let enough = if streaming.is_some() { STREAM_READ_TIMEOUT_SECONDS } else { DEFAULT_READ_TIMEOUT_SECONDS };
    if origin.is_bucket() || seconds >= enough || !(streaming.is_some() || subject.serves_an_api(origin)) {
        return None;
    }
    let mut operations = vec![set(&place, STREAM_READ_TIMEOUT_SECONDS)];
    // It may not be below the read timeout.
    if origin.origin.response_completion_timeout.is_some_and(|limit| limit < STREAM_READ_TIMEOUT_SECONDS) {
        let completion = origin.place.member("ResponseCompletionTimeout");
        operations.push(set(&completion, STREAM_READ_TIMEOUT_SECONDS));
    }
    let path = streaming.map(|path| format!(", through {path:?} for one")).unwrap_or_default();
    Some(Finding {
        what: format!(
            "An answer of the origin {:?} ends when it is silent for {seconds} s: before its first byte with 504, \
             later in the middle{path}.",
            origin.origin.id
        ),
        whom: "Viewers of event streams and long answers: language models that think, reports, exports.".to_owned(),
        fix: "Raise OriginReadTimeout to 60 s (120 s is the most), and let the origin send a heartbeat, such as the \
              comment line `:` of an event stream, more often than that."
            .to_owned(),
        patch: Some(Patch(operations)),
        place,
    })
}

/// Where the timeout stands, and what it is where nothing stands.
fn read_timeout(origin: &TargetedOrigin<'_>) -> Option<(Place, i32)> {
    let (settings, given) = if let Some(custom) = origin.custom() {
        ("CustomOriginConfig", custom.origin_read_timeout)
    } else {
        ("VpcOriginConfig", origin.origin.vpc_origin_config.as_ref()?.origin_read_timeout)
    };
    let place = origin.place.member(settings).member("OriginReadTimeout");
    Some((place, given.unwrap_or(DEFAULT_READ_TIMEOUT_SECONDS)))
}

fn streaming_path<'a>(subject: &Subject<'a>, origin: &TargetedOrigin<'_>) -> Option<&'a str> {
    let mut paths = subject.behaviors_of(origin).filter_map(|behavior| behavior.path_pattern);
    paths.find(|path| names_a_stream(path))
}

fn find_completion(subject: &Subject<'_>) -> Vec<Finding> {
    let finding = |origin: &TargetedOrigin<'_>| {
        let seconds = origin.origin.response_completion_timeout?;
        let path = streaming_path(subject, origin)?;
        let place = origin.place.member("ResponseCompletionTimeout");
        Some(Finding {
            what: format!(
                "Every answer of the origin {:?} ends {seconds} s after its request, however lively it is; {path:?} \
                 leads there.",
                origin.origin.id
            ),
            whom: "Viewers of event streams: they lose the connection, and what was said meanwhile."
                .to_owned(),
            fix: "Take ResponseCompletionTimeout away; OriginReadTimeout ends an origin that hangs."
                .to_owned(),
            patch: Some(Patch(vec![unset(&place)])),
            place,
        })
    };
    subject.origins.iter().filter_map(finding).collect()
}
