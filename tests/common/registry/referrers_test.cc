// Referrers: over the API of a real port, by the fallback tag, and what a registry may try.
#include "common/registry/referrers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "common/base/limits.h"
#include "common/crypto/hash.h"
#include "tests/common/registry/client_fixture.h"

namespace gatehouse::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kBundle = "application/vnd.dev.sigstore.bundle.v0.3+json";
const std::string kNotation = "application/vnd.cncf.notary.signature";
const std::string kSbom = "application/spdx+json";
const std::string kIndexType(image::kOciIndex);

std::string DescriptorJson(const Digest& digest, const std::string& artifact_type, const std::string& size = "100") {
  std::string type = artifact_type.empty() ? "" : R"(,"artifactType":")" + artifact_type + "\"";
  return R"({"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":")" + digest.text() + R"(","size":)" +
         size + type + "}";
}

std::string IndexJson(const std::vector<std::string>& descriptors) {
  std::string text = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)";
  for (const std::string& each : descriptors) text += (text.back() == '[' ? "" : ",") + each;
  return text + "]}";
}

Digest DigestOf(const std::string& text) {
  return crypto::Sha256Digest(AsBytes(text));
}

class ReferrersTest : public RegistryClient {
 protected:
  // A manifest that says that it refers to the image.
  Digest Refer(const std::string& artifact_type, const std::string& note) {
    const std::string bytes = R"({"schemaVersion":2,"artifactType":")" + artifact_type +
                              R"(","config":{"mediaType":"application/vnd.oci.empty.v1+json","size":2,"digest":")" +
                              DigestOf("{}").text() + R"("},"layers":[],"subject":)" + DescriptorJson(digest_, "") +
                              R"(,"annotations":{"note":")" + note + "\"}}";
    return registry_.PutManifest("team/app", std::nullopt, bytes, kType);
  }
  Result<ReferrerList> List(const std::vector<std::string>& types = {}, Duration budget = Duration(5000)) {
    return client_->Referrers(App(), digest_, types, {}, Soon(budget));
  }
  std::vector<std::string> Digests(const std::vector<std::string>& types = {}) {
    auto list = List(types);
    EXPECT_TRUE(list.ok()) << list.error().ToString();
    std::vector<std::string> digests;
    if (!list.ok()) return digests;
    EXPECT_FALSE(list->truncated);
    for (const auto& each : list->referrers) digests.push_back(each.digest.text());
    return digests;
  }
  void Refuses(Reason reason, const std::string& what = "") {
    auto list = List();
    ASSERT_FALSE(list.ok()) << what;
    EXPECT_EQ(list.error().reason, reason) << what << ": " << list.error().ToString();
  }
  void Page(const std::string& body, net::Headers headers = {}) {
    registry_.Override(kApi(), Reply{.body = body, .content_type = kIndexType, .headers = std::move(headers)});
  }
  std::string kApi() const { return "/v2/team/app/referrers/" + digest_.text(); }
  std::string kFallback() const { return "/v2/team/app/manifests/" + ReferrersTag(digest_); }
  void PutFallback(const std::string& bytes, const std::string& type) {
    registry_.PutManifest("team/app", ReferrersTag(digest_), bytes, type);
  }
};

TEST_F(ReferrersTest, OfTheApiInOrder) {
  registry_.EnableReferrers();
  Digest first = Refer(kBundle, "1");
  Digest second = Refer(kSbom, "2");
  EXPECT_THAT(Digests(), ElementsAre(first.text(), second.text()));
  auto list = List();
  EXPECT_EQ(list->referrers[0].artifact_type, kBundle);
  EXPECT_EQ(registry_.CountOf(kFallback()), 1U) << "not again: a registry with the API has all there is";
}

TEST_F(ReferrersTest, NoneIsAnAnswer) {
  registry_.EnableReferrers();
  EXPECT_THAT(Digests(), IsEmpty());
  EXPECT_THAT(Digests(), IsEmpty());
  EXPECT_EQ(registry_.CountOf(kApi()), 2U);
  EXPECT_EQ(registry_.CountOf(kFallback()), 1U) << "while it was not known whether there is the API";
}

TEST_F(ReferrersTest, OneWholeTypeIsAskedFor) {
  registry_.EnableReferrers();
  EXPECT_THAT(Digests(), IsEmpty());  // from now on nothing is asked for but the API
  Digest bundle = Refer(kBundle, "1");
  Refer(kSbom, "2");
  Digest notation = Refer(kNotation, "3");
  EXPECT_THAT(Digests({kBundle}), ElementsAre(bundle.text()));
  EXPECT_EQ(registry_.requests().back().target, kApi() + "?artifactType=" + net::EncodeQueryValue(kBundle));
  EXPECT_THAT(Digests({kNotation}), ElementsAre(notation.text()));
  EXPECT_EQ(registry_.requests().back().Query("artifactType"), kNotation);
  // A prefix would match nothing at the registry, and two types cannot be asked for.
  EXPECT_THAT(Digests({"application/vnd.dev.sigstore.bundle"}), ElementsAre(bundle.text()));
  EXPECT_EQ(registry_.requests().back().target, kApi());
  EXPECT_THAT(Digests({kBundle, kNotation}), ElementsAre(bundle.text(), notation.text()));
  EXPECT_EQ(registry_.requests().back().target, kApi());
}

TEST_F(ReferrersTest, Adversarial_R7_FilteredHereWhateverTheRegistrySays) {
  Digest bundle = DigestOf("bundle");
  const std::string body = IndexJson({DescriptorJson(DigestOf("sbom"), kSbom), DescriptorJson(bundle, kBundle)});
  for (const net::Headers& headers :
       {net::Headers{}, net::Headers{{"OCI-Filters-Applied", "artifactType"}},
        net::Headers{{"OCI-Filters-Applied", "annotations"}}, net::Headers{{"OCI-Filters-Applied", ""}}}) {
    Page(body, headers);
    EXPECT_THAT(Digests({kBundle}), ElementsAre(bundle.text()));
  }
  registry_.EnableReferrers(1000, false);
}

TEST_F(ReferrersTest, KindThatIsNotSaidIsKept) {
  Digest none = DigestOf("none");
  Digest empty = DigestOf("empty");
  Page(IndexJson({DescriptorJson(none, ""), DescriptorJson(empty, "application/vnd.oci.empty.v1+json"),
                  DescriptorJson(DigestOf("sbom"), kSbom)}));
  EXPECT_THAT(Digests({kBundle}), ElementsAre(none.text(), empty.text()));
}

TEST_F(ReferrersTest, Pages) {
  registry_.EnableReferrers(2);
  std::vector<std::string> expected;
  for (int i = 0; i < 7; ++i) expected.push_back(Refer(kBundle, std::to_string(i)).text());
  EXPECT_EQ(Digests(), expected);
  EXPECT_EQ(registry_.CountOf(kApi()), 4U);
  EXPECT_EQ(Digests({kBundle}), expected) << "with a filter";
  EXPECT_LE(registry_.connections(), 2U);
}

TEST_F(ReferrersTest, Adversarial_R6_NextPageOnAnotherHost) {
  FakeRegistry other;
  registry_.RequireBasic("user", "s3cret");
  for (const std::string& target :
       {other.origin() + "/v2/team/app/referrers/x", std::string("https://") + registry_.host() + kApi() + "?p=2",
        std::string("http://169.254.169.254/latest"), std::string("//") + other.host() + "/x",
        "http://user:p@" + registry_.host() + "/x", std::string("file:///etc/passwd")}) {
    Page(IndexJson({}), {{"Link", FormatLink(target, "next")}});
    auto list = client_->Referrers(App(), digest_, {}, For(registry_.host()), Soon());
    ASSERT_FALSE(list.ok()) << target;
    EXPECT_EQ(list.error().reason, Reason::kRegistryProtocol) << target;
  }
  EXPECT_TRUE(other.requests().empty());
}

TEST_F(ReferrersTest, Adversarial_R5_PageOnAnotherHostGetsNoCredentialsAndLeadsNowhere) {
  FakeRegistry other;
  registry_.RequireBasic("user", "s3cret");
  ASSERT_TRUE(ByTag(For(registry_.host())).ok());
  const std::string body = IndexJson({DescriptorJson(DigestOf("x"), kBundle)});
  registry_.Override(kApi(), Reply{.status = 307, .headers = {{"Location", other.origin() + "/page"}}});
  other.Override("/page", Reply{.body = body, .content_type = kIndexType});
  auto list = client_->Referrers(App(), digest_, {}, For(registry_.host()), Soon());
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  EXPECT_EQ(list->referrers.size(), 1U);
  other.Override("/page", Reply{.body = body, .content_type = kIndexType, .headers = {{"Link", "<?p=2>; rel=next"}}});
  list = client_->Referrers(App(), digest_, {}, For(registry_.host()), Soon());
  ASSERT_FALSE(list.ok());
  EXPECT_EQ(list.error().reason, Reason::kRegistryProtocol);
  for (const auto& request : other.requests()) EXPECT_EQ(request.Header("Authorization"), "");
  EXPECT_EQ(other.requests().size(), 2U);
  Disconnect();
}

TEST_F(ReferrersTest, Adversarial_R6_NextPageThatIsAPageBefore) {
  Page(IndexJson({}), {{"Link", FormatLink(kApi(), "next")}});
  Refuses(Reason::kRegistryProtocol, "itself");
  EXPECT_EQ(registry_.CountOf(kApi()), 1U);
  registry_.Override(kApi(), [&](const ReceivedRequest& request) {
    std::string next = request.Query("p") == "2" ? "?p=3" : "?p=2";
    return Reply{.body = IndexJson({}), .content_type = kIndexType, .headers = {{"Link", FormatLink(next, "next")}}};
  });
  Refuses(Reason::kRegistryProtocol, "in a circle");
  EXPECT_EQ(registry_.CountOf(kApi()), 4U);
}

TEST_F(ReferrersTest, Adversarial_R6_PagesWithoutEnd) {
  int page = 0;
  registry_.Override(kApi(), [&](const ReceivedRequest&) {
    ++page;
    return Reply{.body = IndexJson({DescriptorJson(DigestOf(std::to_string(page)), kBundle)}),
                 .content_type = kIndexType,
                 .headers = {{"Link", FormatLink("?p=" + std::to_string(page), "next")}}};
  });
  auto list = List();
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  EXPECT_TRUE(list->truncated) << "that there was more is told";
  EXPECT_EQ(list->referrers.size(), limits::kReferrerPages);
  EXPECT_EQ(registry_.CountOf(kApi()), limits::kReferrerPages);
}

TEST_F(ReferrersTest, Adversarial_R6_NextPageThatIsNotThere) {
  registry_.Override(kApi(), [&](const ReceivedRequest& request) {
    if (!request.Query("p").empty()) return Reply{.status = 404};
    return Reply{.body = IndexJson({DescriptorJson(DigestOf("x"), kBundle)}),
                 .content_type = kIndexType,
                 .headers = {{"Link", FormatLink("?p=2", "next")}}};
  });
  PutFallback(IndexJson({DescriptorJson(DigestOf("y"), kBundle)}), kIndexType);
  Refuses(Reason::kRegistryProtocol, "whatever is under the tag");
}

TEST_F(ReferrersTest, Adversarial_R6_LinkThatIsNone) {
  for (const char* link : {"x", "</a", "</a>; rel=\"next", "</a> rel=next", "</a>; rel=next, </b>; rel=next"}) {
    Page(IndexJson({}), {{"Link", link}});
    Refuses(Reason::kRegistryProtocol, link);
  }
}

// ---- what is no "none"

struct Meaning {
  int status;
  Reason reason;
};

class Adversarial_R8_Referrers : public ReferrersTest, public testing::WithParamInterface<Meaning> {};

TEST_P(Adversarial_R8_Referrers, IsNeverNoSignatures) {
  registry_.Override(kApi(), Reply{.status = GetParam().status, .body = IndexJson({}), .content_type = kIndexType});
  PutFallback(IndexJson({DescriptorJson(DigestOf("bundle"), kBundle)}), kIndexType);
  Refuses(GetParam().reason, "of the API: only after a 404 the tag counts");
  registry_.Override(kApi(), Reply{.status = 404});
  registry_.Override(kFallback(), Reply{.status = GetParam().status});
  Refuses(GetParam().reason, "of the tag");
}

INSTANTIATE_TEST_SUITE_P(
    Table, Adversarial_R8_Referrers,
    testing::Values(Meaning{400, Reason::kRegistryProtocol}, Meaning{401, Reason::kRegistryDenied},
                    Meaning{403, Reason::kRegistryDenied}, Meaning{405, Reason::kRegistryProtocol},
                    Meaning{406, Reason::kRegistryProtocol}, Meaning{410, Reason::kRegistryProtocol},
                    Meaning{429, Reason::kRegistryUnavailable}, Meaning{500, Reason::kRegistryUnavailable},
                    Meaning{501, Reason::kRegistryUnavailable}, Meaning{503, Reason::kRegistryUnavailable},
                    Meaning{204, Reason::kRegistryProtocol}, Meaning{206, Reason::kRegistryProtocol}),
    [](const auto& test) { return std::to_string(test.param.status); });

TEST_F(ReferrersTest, Adversarial_R8_TimeThatIsUp) {
  registry_.EnableReferrers();
  registry_.Delay(Duration(90));
  auto list = List({}, Duration(30));
  ASSERT_FALSE(list.ok());
  EXPECT_EQ(list.error().reason, Reason::kDeadlineExceeded);
}

TEST_F(ReferrersTest, Adversarial_R8_AnswersThatAreNoIndex) {
  struct Case {
    const char* what;
    std::string body;
    std::string type;
    Reason reason;
  };
  const std::string none = IndexJson({});
  for (const Case& bad :
       {Case{"HTML", "<html>", "text/html", Reason::kRegistryProtocol},
        Case{"JSON of another type", none, "application/json", Reason::kRegistryProtocol},
        Case{"a Docker list", none, std::string(image::kDockerList), Reason::kRegistryProtocol},
        Case{"a manifest", kManifestBytes, kType, Reason::kRegistryProtocol},
        Case{"no type", none, "", Reason::kRegistryProtocol},
        Case{"a manifest as an index", kManifestBytes, kIndexType, Reason::kRegistryProtocol},
        Case{"cut off", none.substr(0, none.size() - 1), kIndexType, Reason::kRegistryProtocol},
        Case{"empty", "", kIndexType, Reason::kRegistryProtocol},
        Case{"without manifests", R"({"schemaVersion":2})", kIndexType, Reason::kRegistryProtocol},
        Case{"null for manifests", R"({"schemaVersion":2,"manifests":null})", kIndexType, Reason::kRegistryProtocol},
        Case{"no digest", R"({"schemaVersion":2,"manifests":[{"mediaType":"a","size":1}]})", kIndexType,
             Reason::kRegistryProtocol},
        Case{"a negative size", IndexJson({DescriptorJson(digest_, kBundle, "-1")}), kIndexType,
             Reason::kRegistryProtocol},
        Case{"a digest with a path",
             R"({"schemaVersion":2,"manifests":[{"mediaType":"a","size":1,)"
             R"("digest":"sha256:../../../etc/passwd"}]})",
             kIndexType, Reason::kRegistryProtocol}}) {
    registry_.Override(kApi(), Reply{.body = bad.body, .content_type = bad.type});
    Refuses(bad.reason, bad.what);
  }
}

TEST_F(ReferrersTest, Adversarial_R10_TooLargeAPage) {
  registry_.Override(kApi(), Reply{.body = std::string(1 << 16, ' '), .content_type = kIndexType, .endless = true});
  Refuses(Reason::kLimitExceeded, "an endless page");
  registry_.Override(kApi(),
                     Reply{.body = "\x1F\x8B", .content_type = kIndexType, .headers = {{"Content-Encoding", "gzip"}}});
  Refuses(Reason::kContentUnsupported, "a gzip bomb");
}

TEST_F(ReferrersTest, Adversarial_R10_AHundredThousandReferrers) {
  // As many as fit a page, page after page.
  constexpr int kOnAPage = 15'000;
  registry_.Override(kApi(), [&](const ReceivedRequest& request) {
    int page = request.Query("p").empty() ? 0 : std::stoi(request.Query("p"));
    std::vector<std::string> descriptors;
    std::string hex(64, '0');
    for (int i = 0; i < kOnAPage; ++i) {
      std::string number = std::to_string(page * kOnAPage + i);
      descriptors.push_back(
          DescriptorJson(Digest::Parse("sha256:" + hex.substr(number.size()) + number).value(), kBundle));
    }
    Reply reply{.body = IndexJson(descriptors), .content_type = kIndexType};
    if (page < 6) reply.headers = {{"Link", FormatLink("?p=" + std::to_string(page + 1), "next")}};
    return reply;
  });
  auto list = List();
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  EXPECT_EQ(list->referrers.size(), limits::kReferrers);
  EXPECT_TRUE(list->truncated);
  EXPECT_EQ(registry_.CountOf(kApi()), 1U) << "nothing more is fetched when no more is looked at";
  // Of another kind than what is wanted, they take nobody's place.
  auto others = List({kNotation});
  ASSERT_TRUE(others.ok()) << others.error().ToString();
  EXPECT_TRUE(others->referrers.empty());
  EXPECT_FALSE(others->truncated);
}

TEST_F(ReferrersTest, Adversarial_R11_Duplicates) {
  Digest one = DigestOf("one");
  Digest two = DigestOf("two");
  Page(IndexJson({DescriptorJson(one, kBundle), DescriptorJson(one, kBundle, "7"), DescriptorJson(two, kBundle),
                  DescriptorJson(one, kNotation)}));
  EXPECT_THAT(Digests(), ElementsAre(one.text(), two.text()));
}

TEST_F(ReferrersTest, Adversarial_R11_AnImageIsNotItsOwnReferrer) {
  Page(IndexJson({DescriptorJson(digest_, kBundle)}));
  EXPECT_THAT(Digests(), IsEmpty());
}

TEST_F(ReferrersTest, Adversarial_R12_UrlsOfADescriptorAreNotFollowed) {
  Digest foreign = DigestOf("foreign");
  Page(R"({"schemaVersion":2,"manifests":[{"mediaType":")" + kType + R"(","size":1,"digest":")" + foreign.text() +
       R"(","urls":["http://169.254.169.254/"]}]})");
  EXPECT_THAT(Digests(), ElementsAre(foreign.text()));
  auto content = client_->GetManifest(App(), foreign, {}, Soon());
  ASSERT_TRUE(content.ok()) << content.error().ToString();
  EXPECT_FALSE(content->has_value()) << "it is asked for at the registry, which does not have it";
}

// ---- the fallback tag

TEST_F(ReferrersTest, FallbackTag) {
  Digest bundle = DigestOf("bundle");
  PutFallback(IndexJson({DescriptorJson(bundle, kBundle), DescriptorJson(DigestOf("sbom"), kSbom)}), kIndexType);
  EXPECT_THAT(Digests({kBundle}), ElementsAre(bundle.text()));
  EXPECT_EQ(registry_.CountOf(kApi()), 1U);
  EXPECT_EQ(registry_.CountOf(kFallback()), 1U);
}

// Until it is known whether there is the API, nobody waits for its 404.
TEST_F(ReferrersTest, FallbackTagIsAskedForBesideAnApiOfWhichNothingIsKnown) {
  Digest bundle = DigestOf("bundle");
  PutFallback(IndexJson({DescriptorJson(bundle, kBundle)}), kIndexType);
  bool beside = false;
  registry_.Override(kApi(), [&](const ReceivedRequest&) {
    for (int i = 0; i < 200 && registry_.CountOf(kFallback()) == 0; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    beside = registry_.CountOf(kFallback()) == 1;
    return Reply{.status = 404};
  });
  EXPECT_THAT(Digests(), ElementsAre(bundle.text()));
  EXPECT_TRUE(beside);
}

TEST_F(ReferrersTest, Adversarial_R9_FallbackTagSaysNothingWhereThereIsTheApi) {
  registry_.EnableReferrers();
  PutFallback(IndexJson({DescriptorJson(DigestOf("planted"), kBundle)}), kIndexType);
  EXPECT_THAT(Digests(), IsEmpty());
  for (const Reply& reply : {Reply{.status = 500}, Reply{.status = 403}, Reply{.body = "{", .content_type = kIndexType},
                             Reply{.body = std::string(1 << 16, ' '), .content_type = kIndexType, .endless = true}}) {
    MakeClient({registry_.host()});  // knows nothing of the registry
    registry_.Override(kFallback(), reply);
    EXPECT_THAT(Digests(), IsEmpty()) << "no outage of something that is not needed";
  }
  EXPECT_EQ(registry_.CountOf(kFallback()), 5U);
}

TEST_F(ReferrersTest, FallbackTagThatIsAbsentMeansNone) {
  EXPECT_THAT(Digests(), IsEmpty());
}

TEST_F(ReferrersTest, Adversarial_R9_FallbackTagOfSomethingElse) {
  PutFallback(kManifestBytes, kType);
  EXPECT_THAT(Digests(), IsEmpty()) << "an image";
  const std::string list(image::kDockerList);
  PutFallback(R"({"schemaVersion":2,"mediaType":")" + list + R"(","manifests":[)" +
                  DescriptorJson(DigestOf("x"), kBundle) + "]}",
              list);
  EXPECT_THAT(Digests(), IsEmpty()) << "a list of platforms";
  PutFallback(kManifestBytes, kIndexType);
  Refuses(Reason::kRegistryProtocol, "an index that is none");
  PutFallback("{", kIndexType);
  Refuses(Reason::kRegistryProtocol, "broken");
}

TEST_F(ReferrersTest, RepositoryWithoutTheApiIsNotAskedAgain) {
  EXPECT_THAT(Digests(), IsEmpty());
  const Digest other = DigestOf("other image");
  ASSERT_TRUE(client_->Referrers(App(), other, {}, {}, Soon()).ok());
  EXPECT_EQ(registry_.CountOf("/v2/team/app/referrers/" + other.text()), 0U);
  EXPECT_EQ(registry_.requests().size(), 3U);
}

// One host may be several registries, and a stranger is told that what he may not see is not there. Neither says
// anything of anybody else's images.
TEST_F(ReferrersTest, Adversarial_R8_WhatOneRepositoryLacksSaysNothingOfAnother) {
  registry_.EnableReferrers();
  Digest bundle = Refer(kBundle, "1");
  registry_.Override("/v2/no/body/referrers/" + digest_.text(), Reply{.status = 404, .body = "404 page not found"});
  auto other = image::Reference::Parse(registry_.host() + "/no/body").value();
  ASSERT_TRUE(client_->Referrers(other, digest_, {}, {}, Soon()).ok());
  EXPECT_THAT(Digests(), ElementsAre(bundle.text()));
}

TEST_F(ReferrersTest, Adversarial_R8_WhatAStrangerIsToldIsNotForThoseWhoMaySee) {
  registry_.EnableReferrers();
  Digest bundle = Refer(kBundle, "1");
  registry_.RequireBasic("user", "s3cret");
  ASSERT_TRUE(ByTag(For(registry_.host())).ok());
  std::size_t strangers = 0;
  registry_.Override(kApi(), [&](const ReceivedRequest& request) {
    if (request.Header("Authorization").empty() && ++strangers > 0) return Reply{.status = 404};
    return Reply{.body = IndexJson({DescriptorJson(bundle, kBundle)}), .content_type = kIndexType};
  });
  registry_.Override(kFallback(), Reply{.status = 404});
  auto none = client_->Referrers(App(), digest_, {}, {}, Soon());
  ASSERT_TRUE(none.ok()) << none.error().ToString();
  EXPECT_TRUE(none->referrers.empty());
  EXPECT_EQ(strangers, 1U);
  auto list = client_->Referrers(App(), digest_, {}, For(registry_.host()), Soon());
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  EXPECT_EQ(list->referrers.size(), 1U);
}

// What is asked for beside the API is not needed where there is the API: it gets half of the time.
TEST_F(ReferrersTest, Adversarial_R10_AFallbackTagThatHangsLeavesTimeForTheRest) {
  registry_.EnableReferrers();
  Digest bundle = Refer(kBundle, "1");
  registry_.Override(kFallback(), Reply{.status = 429, .headers = {{"Retry-After", "2"}}});
  const Deadline deadline = Soon(Duration(3000));
  auto list = client_->Referrers(App(), digest_, {}, {}, deadline);
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  EXPECT_EQ(list->referrers.size(), 1U);
  EXPECT_TRUE(slept_.empty()) << "2 s are more than half of the time";
}

TEST_F(ReferrersTest, AFallbackTagThatNeededMoreThanHalfOfTheTimeIsAskedForAgain) {
  Digest bundle = DigestOf("bundle");
  PutFallback(IndexJson({DescriptorJson(bundle, kBundle)}), kIndexType);
  std::size_t asked = 0;
  registry_.Override(kFallback(), [&](const ReceivedRequest&) {
    if (++asked == 1) return Reply{.status = 429, .headers = {{"Retry-After", "2"}}};
    return Reply{.body = IndexJson({DescriptorJson(bundle, kBundle)}), .content_type = kIndexType};
  });
  auto list = client_->Referrers(App(), digest_, {}, {}, Soon(Duration(3000)));
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  EXPECT_EQ(list->referrers.size(), 1U);
  EXPECT_EQ(asked, 2U);
}

// Whoever names an image that is not there must not take the API away from everybody's.
TEST_F(ReferrersTest, Adversarial_R8_RepositoryThatIsNotThereSaysNothingOfTheApi) {
  registry_.EnableReferrers();
  Digest bundle = Refer(kBundle, "1");
  for (const char* code : {"NAME_UNKNOWN", "NAME_INVALID", "MANIFEST_UNKNOWN"}) {
    registry_.Override("/v2/no/body/referrers/" + digest_.text(),
                       Reply{.status = 404,
                             .body = std::string(R"({"errors":[{"code":"DENIED"},{"code":")") + code + "\"}]}",
                             .content_type = "application/json"});
    auto nobody = image::Reference::Parse(registry_.host() + "/no/body").value();
    auto list = client_->Referrers(nobody, digest_, {}, {}, Soon());
    ASSERT_TRUE(list.ok()) << list.error().ToString();
    EXPECT_THAT(Digests(), ElementsAre(bundle.text())) << code;
  }
}

TEST_F(ReferrersTest, TokenIsUsedForPagesToo) {
  registry_.EnableReferrers(1);
  EXPECT_THAT(Digests(), IsEmpty());  // from now on nothing is asked for but the API
  const std::size_t before = registry_.requests().size();
  registry_.RequireToken("user", "s3cret");
  Refer(kBundle, "1");
  Refer(kBundle, "2");
  auto list = client_->Referrers(App(), digest_, {}, For(registry_.host()), Soon());
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  EXPECT_EQ(list->referrers.size(), 2U);
  EXPECT_EQ(registry_.CountOf("/token"), 1U);
  std::vector<ReceivedRequest> requests = registry_.requests();
  requests.erase(requests.begin(), requests.begin() + static_cast<std::ptrdiff_t>(before));
  EXPECT_EQ(Authorizations(requests), (std::vector<std::string>{"", Basic(), "Bearer token-1", "Bearer token-1"}));
}

// ---- the parts

TEST(ReferrersTag, IsCutTo64Characters) {
  EXPECT_EQ(ReferrersTag(Digest::Parse("sha256:" + std::string(64, 'a')).value()), "sha256-" + std::string(64, 'a'));
  EXPECT_EQ(ReferrersTag(Digest::Parse("sha512:" + std::string(64, 'a') + std::string(64, 'b')).value()),
            "sha512-" + std::string(64, 'a'));
}

struct LinkCase {
  std::vector<std::string> headers;
  std::optional<std::string> next;
};

class NextLinkOf : public testing::TestWithParam<LinkCase> {};

TEST_P(NextLinkOf, IsRead) {
  net::Headers headers = {{"Content-Type", "x"}};
  for (const auto& value : GetParam().headers) headers.emplace_back("lInK", value);
  auto next = NextLink(headers);
  ASSERT_TRUE(next.ok()) << next.error().ToString();
  EXPECT_EQ(*next, GetParam().next);
}

INSTANTIATE_TEST_SUITE_P(
    Table, NextLinkOf,
    testing::Values(LinkCase{{}, {}}, LinkCase{{""}, {}}, LinkCase{{R"(</a?b=c>; rel="next")"}, "/a?b=c"},
                    LinkCase{{"</a>;rel=next"}, "/a"}, LinkCase{{"</a> ; REL = \"NEXT\""}, "/a"},
                    LinkCase{{R"(</a>; rel="prev")"}, {}}, LinkCase{{R"(</a>; rel="prev next")"}, "/a"},
                    LinkCase{{R"(</a>; rel="nextprev")"}, {}}, LinkCase{{R"(</a>; title="x; rel=next")"}, {}},
                    LinkCase{{R"(</a>; title="a\"b>,<"; rel=next)"}, "/a"},
                    LinkCase{{R"(</a>; rel="prev"; rel="next")"}, {}}, LinkCase{{"</a>"}, {}},
                    LinkCase{{"</a,b;c>; rel=next"}, "/a,b;c"}, LinkCase{{"<>; rel=next"}, ""},
                    LinkCase{{R"(</p>; rel="prev", </n>; rel="next")"}, "/n"},
                    LinkCase{{R"(</p>; rel="prev")", R"(</n>; rel="next")"}, "/n"},
                    LinkCase{{R"(</n>; rel="next")", R"(</n>; rel="next")"}, "/n"}));

TEST(NextLink, TruncatedAtEveryByte) {
  const std::string whole = FormatLink("/v2/a/referrers/b?last=c", "next");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    auto next = NextLink({{"Link", whole.substr(0, size)}});
    EXPECT_TRUE(!next.ok() || !next->has_value()) << whole.substr(0, size);
  }
}

}  // namespace
}  // namespace gatehouse::registry
