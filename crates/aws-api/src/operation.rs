//! Operations: what an API can be asked, and what it may answer.

use crate::shape::Structure;

/// How a service speaks HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// Paths, methods and XML documents: CloudFront.
    RestXml,
    /// `POST /` with `X-Amz-Target` and JSON documents: WAFv2 and ACM.
    Json,
    /// `POST /` with a form that names its `Action`, answered in XML: STS.
    Query,
}

/// What a model says about a whole service.
#[derive(Debug)]
pub struct ServiceSchema {
    /// The name that requests are signed for.
    pub signing_name: &'static str,
    /// How it speaks HTTP.
    pub protocol: Protocol,
    /// The prefix of `X-Amz-Target`, before the dot, where there is one.
    pub target_prefix: &'static str,
    /// The namespace of its XML documents, where there are any.
    pub namespace: &'static str,
}

/// What a model says about one operation.
#[derive(Debug)]
pub struct OperationSchema {
    /// The service that it belongs to.
    pub service: &'static ServiceSchema,
    /// Its name.
    pub name: &'static str,
    /// The HTTP method.
    pub method: &'static str,
    /// The path with its labels in braces, and the query flags that select it.
    pub uri: &'static str,
    /// The status of a successful answer.
    pub status: u16,
    /// The root element of the request's document; empty where there is none.
    pub input_root: &'static str,
    /// The root element of the answer's document; empty where there is none.
    pub output_root: &'static str,
}

/// One operation as a type: it ties the input that it takes to the output that it returns.
pub trait Operation {
    /// What the caller sends.
    type Input: Structure + Default;
    /// What a successful answer carries.
    type Output: Structure;
    /// The operation's static description.
    const SCHEMA: &'static OperationSchema;
}

/// Writes a service's operations: `OperationId` with its table, and a type for each in `operation`.
macro_rules! operations {
    (
        $service:expr;
        $($name:ident: $input:ty => $output:ty,
            $method:literal $uri:literal $status:literal ($input_root:literal => $output_root:literal),
            [$($error:ident),*];)*
    ) => {
        /// The service's operations.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum OperationId {
            $($name,)*
        }

        impl OperationId {
            /// Every operation, in the order of the names.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The operation's static description.
            pub fn schema(self) -> &'static $crate::operation::OperationSchema {
                static SCHEMAS: &[$crate::operation::OperationSchema] = &[$(
                    $crate::operation::OperationSchema {
                        service: $service,
                        name: stringify!($name),
                        method: $method,
                        uri: $uri,
                        status: $status,
                        input_root: $input_root,
                        output_root: $output_root,
                    },
                )*];
                &SCHEMAS[self as usize]
            }

            /// The operation's name.
            pub fn name(self) -> &'static str {
                self.schema().name
            }

            /// The errors that the model lists for it.
            pub fn errors(self) -> &'static [ErrorCode] {
                match self {
                    $(Self::$name => &[$(ErrorCode::$error),*],)*
                }
            }

            /// The operation's empty input and empty output.
            pub(crate) fn blanks(
                self,
            ) -> (Box<dyn $crate::shape::Structure>, Box<dyn $crate::shape::Structure>) {
                match self {
                    $(Self::$name => (Box::<$input>::default(), Box::<$output>::default()),)*
                }
            }
        }

        /// Each operation as a type.
        pub mod operation {
            #[allow(unused_imports, reason = "an operation may take and return nothing")]
            use super::super::*;

            $(
                pub struct $name;

                impl $crate::operation::Operation for $name {
                    type Input = $input;
                    type Output = $output;
                    const SCHEMA: &'static $crate::operation::OperationSchema =
                        &$crate::operation::OperationSchema {
                            service: $service,
                            name: stringify!($name),
                            method: $method,
                            uri: $uri,
                            status: $status,
                            input_root: $input_root,
                            output_root: $output_root,
                        };
                }
            )*
        }
    };
}
pub(crate) use operations;
