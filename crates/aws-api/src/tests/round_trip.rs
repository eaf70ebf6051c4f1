//! Every operation's input and output, filled at random, encodes and decodes to itself.

use super::random::Random;
use super::requests::encode_input;
use super::{blanks, every_operation};
use crate::exchange::{Answer, decode_into, encode_from};
use crate::operation::{OperationSchema, Protocol};
use crate::route::route;
use crate::shape::{Location, Slot, Structure};
use crate::{json, scalar, xml};

/// How many values are tried for each shape.
const SEEDS: u64 = 12;

#[test]
fn every_input_decodes_to_what_was_encoded() {
    for operation in every_operation() {
        for seed in 0..SEEDS {
            let (mut sent, _) = blanks(operation);
            let (mut received, _) = blanks(operation);
            Random::new(seed).fill(&mut *sent);
            let request = encode_input(operation.schema(), &*sent);
            let routed = route(&request.lend()).unwrap_or_else(|error| panic!("{operation:?}: {error}"));
            assert_eq!(routed.operation, operation);
            decode_into(operation.schema(), &request.lend(), &routed.labels, &mut *received)
                .unwrap_or_else(|error| panic!("{operation:?}: {error}"));
            assert_eq!(json::encode(&*received), json::encode(&*sent), "{operation:?}");
        }
    }
}

#[test]
fn every_output_decodes_to_what_was_encoded() {
    for operation in every_operation() {
        for seed in 0..SEEDS {
            let (_, mut sent) = blanks(operation);
            let (_, mut received) = blanks(operation);
            Random::new(seed).fill(&mut *sent);
            let answer = encode_from(operation.schema(), &*sent, "id")
                .unwrap_or_else(|error| panic!("{operation:?}: {error}"));
            decode_answer(operation.schema(), &answer, &mut *received);
            assert_eq!(json::encode(&*received), json::encode(&*sent), "{operation:?}");
        }
    }
}

#[test]
fn the_form_for_records_is_lossless() {
    for operation in every_operation() {
        let (mut kept, _) = blanks(operation);
        let (mut read, _) = blanks(operation);
        Random::new(99).fill(&mut *kept);
        json::decode(&crate::to_json(&*kept), &mut *read).unwrap();
        assert_eq!(json::encode(&*read), json::encode(&*kept), "{operation:?}");
    }
}

/// Decodes an answer the way the SDKs do.
fn decode_answer(schema: &OperationSchema, answer: &Answer, output: &mut dyn Structure) {
    assert_eq!(answer.status(), schema.status);
    let body = answer.body();
    if schema.service.protocol == Protocol::Json {
        if !body.is_empty() {
            json::decode(body, output).unwrap();
        }
        return;
    }
    let output_schema = output.schema();
    for (member, place) in output_schema.members.iter().zip(output.members_mut()) {
        if let (Location::Header, Some(value)) = (member.location, answer.headers().get(member.wire_name)) {
            scalar::read(place.slot(), str::from_utf8(value.as_bytes()).unwrap()).unwrap();
        }
        if member.location == Location::Payload && !body.is_empty() {
            match place.slot() {
                Slot::Blob(place) => place.clone_from(body),
                Slot::Structure(payload) => {
                    xml::decode(body, schema.service.namespace, schema.output_root, payload).unwrap();
                }
                _ => panic!("{}: a payload is a blob or a structure", schema.name),
            }
        }
    }
    if output_schema.has_body() {
        xml::decode(body, schema.service.namespace, schema.output_root, output).unwrap();
    }
}
