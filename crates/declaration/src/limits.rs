//! Every limit of this crate, with its reason.

/// Bytes of one file. A template of CloudFormation may have 1 MB ("CloudFormation quotas"), and a page of a hundred
/// distributions as aws-cli prints it is about as large.
pub const FILE_BYTES_MAX: usize = 8 << 20;

/// Lists and maps inside each other. The deepest shape nests eleven, and each level may add a function.
pub const DEPTH_MAX: usize = 64;

/// Values in one file, those of repeated aliases included: what stands between a few bytes of anchors and a memory
/// full of copies. The largest honest file is a page of distributions.
pub const VALUES_MAX: usize = 400_000;

/// Documents in one file.
pub const DOCUMENTS_MAX: usize = 10_000;
