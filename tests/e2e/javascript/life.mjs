// A distribution's whole life with the AWS SDK for JavaScript, in its own habits: commands, waiters,
// paginators, errors by name. Prints what it saw as JSON, for the test to judge.
import {
  CloudFrontClient,
  CreateDistributionWithTagsCommand,
  CreateCachePolicyCommand,
  DeleteCachePolicyCommand,
  DeleteDistributionCommand,
  GetDistributionCommand,
  GetDistributionConfigCommand,
  ListTagsForResourceCommand,
  UpdateDistributionCommand,
  paginateListDistributions,
  waitUntilDistributionDeployed,
} from "@aws-sdk/client-cloudfront";

const cloudfront = new CloudFrontClient({ endpoint: process.env.AWS_ENDPOINT_URL, maxAttempts: 1 });
const quickly = { client: cloudfront, maxWaitTime: 20, minDelay: 1, maxDelay: 1 };
const saw = {};

const nameOf = async (command) => {
  try {
    await cloudfront.send(command);
    return "no error";
  } catch (error) {
    return { name: error.name, status: error.$metadata.httpStatusCode, hasId: Boolean(error.$metadata.requestId) };
  }
};

const policy = await cloudfront.send(
  new CreateCachePolicyCommand({
    CachePolicyConfig: { Name: process.env.POLICY_NAME, MinTTL: 1, DefaultTTL: 2, MaxTTL: 3 },
  }),
);
saw.policyLocation = policy.Location;

const created = await cloudfront.send(
  new CreateDistributionWithTagsCommand({
    DistributionConfigWithTags: {
      DistributionConfig: {
        CallerReference: process.env.POLICY_NAME,
        Comment: "von <JavaScript> & Söhnen",
        Enabled: true,
        Origins: {
          Quantity: 1,
          Items: [
            {
              Id: "api",
              DomainName: "127.0.0.1",
              CustomOriginConfig: { HTTPPort: 3500, HTTPSPort: 443, OriginProtocolPolicy: "http-only" },
            },
          ],
        },
        DefaultCacheBehavior: {
          TargetOriginId: "api",
          ViewerProtocolPolicy: "redirect-to-https",
          CachePolicyId: policy.CachePolicy.Id,
        },
      },
      Tags: { Items: [{ Key: "team", Value: "skin" }] },
    },
  }),
);
const { Id, ARN } = created.Distribution;
saw.createdStatus = created.Distribution.Status;
saw.deployed = (await waitUntilDistributionDeployed(quickly, { Id })).state;
saw.status = (await cloudfront.send(new GetDistributionCommand({ Id }))).Distribution.Status;

saw.listed = 0;
for await (const page of paginateListDistributions({ client: cloudfront, pageSize: 1 }, {})) {
  saw.listed += page.DistributionList.Items?.filter((item) => item.Id === Id).length ?? 0;
}
saw.tags = (await cloudfront.send(new ListTagsForResourceCommand({ Resource: ARN }))).Tags.Items;

const got = await cloudfront.send(new GetDistributionConfigCommand({ Id }));
saw.comment = got.DistributionConfig.Comment;
const update = (ETag, changes) =>
  new UpdateDistributionCommand({ Id, IfMatch: ETag, DistributionConfig: { ...got.DistributionConfig, ...changes } });
const updated = await cloudfront.send(update(got.ETag, { Enabled: false }));
saw.stale = await nameOf(update(got.ETag, {}));
saw.inUse = await nameOf(new DeleteCachePolicyCommand({ Id: policy.CachePolicy.Id, IfMatch: policy.ETag }));
await waitUntilDistributionDeployed(quickly, { Id });
await cloudfront.send(new DeleteDistributionCommand({ Id, IfMatch: updated.ETag }));
saw.gone = await nameOf(new GetDistributionCommand({ Id }));
await cloudfront.send(new DeleteCachePolicyCommand({ Id: policy.CachePolicy.Id, IfMatch: policy.ETag }));
console.log(JSON.stringify(saw));
