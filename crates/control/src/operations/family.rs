//! The operations that all families of resources have alike, from the API's shapes to [`crate::resource`]
//! and back.

/// Writes `create`, `get`, `get_config`, `update` and `delete` of a family, whose requests and results
/// differ in their names alone.
macro_rules! family_operations {
    (
        $family:ty as $shape:ident { $resource:ident, $config:ident } under $path:literal,
        $create_request:ident => $create_result:ident,
        $get_request:ident => $get_result:ident,
        $get_config_request:ident => $get_config_result:ident,
        $update_request:ident => $update_result:ident,
        $delete_request:ident $(,)?
    ) => {
        #[doc = concat!("`Create", stringify!($shape), "`")]
        pub(crate) async fn create(
            control: &crate::control::Control,
            caller: &crate::control::Caller,
            input: aws_api::cloudfront::$create_request,
        ) -> Result<aws_api::cloudfront::$create_result, aws_api::ApiError> {
            let created = crate::resource::create::<$family>(control, input.$config).await?;
            Ok(aws_api::cloudfront::$create_result {
                location: Some(format!("{}/2020-05-31/{}/{}", caller.endpoint, $path, created.id)),
                etag: Some(created.etag()),
                $resource: Some(shape(created)),
            })
        }

        #[doc = concat!("`Get", stringify!($shape), "`")]
        pub(crate) async fn get(
            control: &crate::control::Control,
            _caller: &crate::control::Caller,
            input: aws_api::cloudfront::$get_request,
        ) -> Result<aws_api::cloudfront::$get_result, aws_api::ApiError> {
            let stored = crate::resource::read::<$family>(control, &input.id).await?;
            Ok(aws_api::cloudfront::$get_result { etag: Some(stored.etag()), $resource: Some(shape(stored)) })
        }

        #[doc = concat!("`Get", stringify!($shape), "Config`")]
        pub(crate) async fn get_config(
            control: &crate::control::Control,
            _caller: &crate::control::Caller,
            input: aws_api::cloudfront::$get_config_request,
        ) -> Result<aws_api::cloudfront::$get_config_result, aws_api::ApiError> {
            let stored = crate::resource::read::<$family>(control, &input.id).await?;
            Ok(aws_api::cloudfront::$get_config_result {
                etag: Some(stored.etag()),
                $config: Some(stored.config),
            })
        }

        #[doc = concat!("`Update", stringify!($shape), "`: the whole configuration is replaced.")]
        pub(crate) async fn update(
            control: &crate::control::Control,
            _caller: &crate::control::Caller,
            input: aws_api::cloudfront::$update_request,
        ) -> Result<aws_api::cloudfront::$update_result, aws_api::ApiError> {
            let if_match = crate::entity_tag::EntityTag::required(input.if_match.as_deref())?;
            let updated =
                crate::resource::update::<$family>(control, &input.id, Some(if_match), input.$config).await?;
            Ok(aws_api::cloudfront::$update_result {
                etag: Some(updated.etag()),
                $resource: Some(shape(updated)),
            })
        }

        #[doc = concat!("`Delete", stringify!($shape), "`")]
        pub(crate) async fn delete(
            control: &crate::control::Control,
            _caller: &crate::control::Caller,
            input: aws_api::cloudfront::$delete_request,
        ) -> Result<(), aws_api::ApiError> {
            let if_match = crate::entity_tag::EntityTag::required(input.if_match.as_deref())?;
            crate::resource::delete::<$family>(control, &input.id, Some(if_match)).await
        }
    };
}
pub(crate) use family_operations;
