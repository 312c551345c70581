// How trust material comes to what names it: from files, from the API, from TUF repositories.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/codec/yaml.h"
#include "common/policy/objects.h"
#include "tests/common/policy/policy_builder.h"

namespace gatehouse::policy {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using LastGood = std::map<std::string, ApiObject>;

const Vouching& VouchingOf(const PolicySet& set, std::size_t policy = 0, std::size_t authority = 0) {
  return std::get<KeylessAuthority>(set.image_policies.at(policy).authorities.at(authority).rule).vouching;
}

const NotationAuthority& NotaryOf(const PolicySet& set) {
  return std::get<NotationAuthority>(set.image_policies.at(0).authorities.at(0).rule);
}

ApiObject Object(const std::string& yaml, std::int64_t generation = 1) {
  auto documents = codec::ParseYaml(yaml, "o.yaml");
  EXPECT_TRUE(documents.ok() && documents->size() == 1) << yaml;
  codec::JsonView root = documents->front().root();
  return {.kind = std::string(root.Find("kind")->AsString().value_or("")),
          .namespace_name = "",
          .name = std::string(root.Find("metadata")->Find("name")->AsString().value_or("")),
          .generation = generation,
          .json = root.Serialize()};
}

std::string Renamed(const std::string& yaml, const std::string& from, const std::string& to) {
  return Edited(yaml, "name: " + from + "\n", "name: " + to + "\n");
}

std::shared_ptr<const signature::sigstore::TrustMaterial> SomeMaterial() {
  return Loaded({SigstoreRootYaml()}).trust_roots.at(0).sigstore;
}

// --- sharing and joining

TEST(TrustMaterial, IsSharedAndNotCopied) {
  PolicySet set = Loaded({KeylessPolicyYaml(), Renamed(KeylessPolicyYaml(), "keyless", "other"), SigstoreRootYaml()});
  EXPECT_EQ(VouchingOf(set, 0).material, set.trust_roots.at(0).sigstore);
  EXPECT_EQ(VouchingOf(set, 1).material, set.trust_roots.at(0).sigstore);
}

TEST(TrustMaterial, OfSeveralRootsIsTheirUnionMadeOnce) {
  std::string both = Edited(KeylessPolicyYaml(), "[public]", "[public, second]");
  std::string second =
      Edited(Renamed(SigstoreRootYaml(), "public", "second"), "https://rekor.example", "https://b.example");
  PolicySet set = Loaded({both, Renamed(both, "keyless", "other"), SigstoreRootYaml(), second});
  const auto& material = VouchingOf(set, 0).material;
  ASSERT_NE(material, nullptr);
  EXPECT_EQ(VouchingOf(set, 1).material, material);
  ASSERT_THAT(material->logs, SizeIs(2));
  EXPECT_EQ(material->logs[0].base_url, "https://rekor.example");
  EXPECT_EQ(material->logs[1].base_url, "https://b.example");
  EXPECT_THAT(material->ct_logs, SizeIs(2));
  EXPECT_THAT(material->authorities, SizeIs(2));
  EXPECT_THAT(material->timestamp_authorities, SizeIs(2));
}

TEST(TrustMaterial, StoresOfSeveralRootsAreJoined) {
  std::string more = fakes::TestCa::Root(fakes::CaSpec("more")).pem();
  std::string second =
      Edited(Renamed(NotationRootYaml(), "acme", "second"), Indented(SigningCa().pem(), 8), Indented(more, 8));
  second = Edited(second, "    signingAuthority:\n      acme:", "    signingAuthority:\n      second:");
  PolicySet set = Loaded(
      {Edited(NotationPolicyYaml(), "trustRoots: [acme]", "trustRoots: [acme, second]"), NotationRootYaml(), second});
  const NotationAuthority& notary = NotaryOf(set);
  EXPECT_EQ(notary.missing, "");
  EXPECT_THAT(notary.stores.at("ca:acme"), SizeIs(2));
  EXPECT_THAT(notary.stores.at("signingAuthority:second"), SizeIs(1));
}

// --- generations

TEST(Adversarial_A16, AnotherTrustRootIsAnotherGenerationOfTheImagePolicyToo) {
  PolicySet before = Loaded({KeylessPolicyYaml(), NotationPolicyYaml(), SigstoreRootYaml(), NotationRootYaml()});
  PolicySet logs = Loaded({KeylessPolicyYaml(), NotationPolicyYaml(),
                           Edited(SigstoreRootYaml(), "2030-01-01", "2029-01-01"), NotationRootYaml()});
  EXPECT_NE(logs.image_policies[0].generation, before.image_policies[0].generation);
  EXPECT_EQ(logs.image_policies[1].generation, before.image_policies[1].generation);
  EXPECT_NE(logs.policy_generation, before.policy_generation);
  EXPECT_NE(logs.trust_generation, before.trust_generation);
  std::string other = fakes::TestCa::Root(fakes::CaSpec("other")).pem();
  PolicySet stores = Loaded({KeylessPolicyYaml(), NotationPolicyYaml(), SigstoreRootYaml(),
                             Edited(NotationRootYaml(), Indented(SigningCa().pem(), 8), Indented(other, 8))});
  EXPECT_EQ(stores.image_policies[0].generation, before.image_policies[0].generation);
  EXPECT_NE(stores.image_policies[1].generation, before.image_policies[1].generation);
}

TEST(Generation, EveryFieldOfAKeylessPolicyMatters) {
  std::string before = Loaded({KeylessPolicyYaml(), SigstoreRootYaml()}).image_policies[0].generation;
  const std::pair<std::string, std::string> kEdits[] = {
      {"issuer: https://token", "issuer: https://tokens"},
      {"subjectGlob: https://github.com/org", "subjectGlob: https://github.com/other"},
      {"refs/heads/*}", "refs/tags/*}"},
      {"transparencyLogs: 2", "transparencyLogs: 1"},
      {"certificateLogs: 3", "certificateLogs: 2"},
      {"timestamps: 1", "timestamps: 2"},
      {"trustedTimes: 4", "trustedTimes: 3"},
      {"slsaprovenance1", "slsaprovenance"},
      {"builderID: https", "builderID: http"},
      {"olderThan: 720h", "olderThan: 721h"},
      {"subject: Both", "subject: Platforms"},
      {"[registry]", "[other]"},
  };
  for (const auto& [from, to] : kEdits) {
    PolicySet set = Loaded({Edited(KeylessPolicyYaml(), from, to), SigstoreRootYaml()});
    ASSERT_THAT(set.image_policies, SizeIs(1));
    EXPECT_NE(set.image_policies[0].generation, before) << to;
  }
}

// --- files

TEST(Links, WhatAnImagePolicyNamesMustExistInFiles) {
  EXPECT_THAT(Refusal(KeylessPolicyYaml()).detail, HasSubstr("there is no TrustRoot 'public'"));
  EXPECT_THAT(Refusal(KeylessPolicyYaml() + "---\n" + Renamed(TrustRootYaml(), "vendors", "public")).detail,
              HasSubstr("has nothing for Sigstore"));
  EXPECT_THAT(Refusal(NotationPolicyYaml() + "---\n" + Renamed(SigstoreRootYaml(), "public", "acme")).detail,
              HasSubstr("has nothing for Notation"));
  EXPECT_THAT(
      Refusal(NotationPolicyYaml() + "---\n" + Edited(NotationRootYaml(), "tsa:\n      acme", "tsa:\n      b")).detail,
      HasSubstr("there is no trust store 'tsa:acme'"));
  EXPECT_THAT(Refusal(NodePolicyYaml() + "---\n" + Renamed(SigstoreRootYaml(), "public", "vendors")).detail,
              HasSubstr("TrustRoot 'vendors' has nothing for TPMs"));
}

TEST(Links, AFaultyRootIsSaidOnce) {
  Error error = Refusal(KeylessPolicyYaml() + "---\n" +
                        Edited(SigstoreRootYaml(), "url: https://rekor.example", "url: rekor.example"));
  EXPECT_THAT(error.where, HasSubstr("transparencyLogs[0].url"));
}

// --- the API

TEST(LoadObjects, AnImagePolicyIsInForceWithoutItsTrustRootAndSaysSo) {
  LastGood last_good;
  ObjectsOutcome outcome = LoadObjects({Object(KeylessPolicyYaml()), Object(NotationPolicyYaml())}, {}, last_good);
  EXPECT_TRUE(outcome.states[0].in_force);
  EXPECT_EQ(outcome.states[0].message, "there is no TrustRoot 'public': authority 'ci' vouches for nothing");
  EXPECT_EQ(VouchingOf(*outcome.set).material, nullptr);
  EXPECT_EQ(VouchingOf(*outcome.set).missing, "there is no TrustRoot 'public'");
  EXPECT_EQ(VouchingOf(*outcome.set).missing_reason, Reason::kTrustUnavailable);
  EXPECT_TRUE(outcome.states[1].in_force);
  EXPECT_THAT(outcome.states[1].message, HasSubstr("there is no TrustRoot 'acme': authority 'notary'"));
  const auto& notary = std::get<NotationAuthority>(outcome.set->image_policies.at(1).authorities.at(0).rule);
  EXPECT_EQ(notary.missing, "there is no TrustRoot 'acme'");
  EXPECT_EQ(notary.missing_reason, Reason::kTrustUnavailable);
  std::string before = outcome.set->image_policies[0].generation;
  outcome = LoadObjects({Object(KeylessPolicyYaml()), Object(NotationPolicyYaml()), Object(SigstoreRootYaml()),
                         Object(NotationRootYaml())},
                        {}, last_good);
  for (const ObjectState& state : outcome.states) EXPECT_EQ(state.message, "") << state.kind;
  EXPECT_NE(outcome.set->image_policies[0].generation, before);
  EXPECT_NE(VouchingOf(*outcome.set).material, nullptr);
  EXPECT_EQ(VouchingOf(*outcome.set).missing, "");
  PolicySet files = Loaded({KeylessPolicyYaml(), SigstoreRootYaml()});
  EXPECT_EQ(outcome.set->image_policies[0].generation, files.image_policies[0].generation);
}

TEST(LoadObjects, OneRootOfTwoIsNotEnough) {
  LastGood last_good;
  ObjectsOutcome outcome = LoadObjects(
      {Object(Edited(KeylessPolicyYaml(), "[public]", "[public, second]")), Object(SigstoreRootYaml())}, {}, last_good);
  EXPECT_EQ(VouchingOf(*outcome.set).material, nullptr);
  EXPECT_EQ(VouchingOf(*outcome.set).missing, "there is no TrustRoot 'second'");
}

TEST(LoadObjects, ATrustRootThatNeverWasRightIsMalformedAndNotAwaited) {
  LastGood last_good;
  ApiObject broken = Object(SigstoreRootYaml());
  broken.json = Edited(broken.json, "https://rekor.example", "rekor.example");
  ObjectsOutcome outcome = LoadObjects({Object(KeylessPolicyYaml()), broken}, {}, last_good);
  EXPECT_EQ(VouchingOf(*outcome.set).missing, "TrustRoot 'public' cannot be read");
  EXPECT_EQ(VouchingOf(*outcome.set).missing_reason, Reason::kTrustRootMalformed);
  EXPECT_THAT(outcome.set->unread_trust_roots, ::testing::ElementsAre("public"));
  EXPECT_THAT(outcome.set->unread, IsEmpty()) << "it covers nothing itself";
  // One that was right goes on to count.
  outcome = LoadObjects({Object(KeylessPolicyYaml()), Object(SigstoreRootYaml())}, {}, last_good);
  broken.generation = 2;
  outcome = LoadObjects({Object(KeylessPolicyYaml()), broken}, {}, last_good);
  EXPECT_NE(VouchingOf(*outcome.set).material, nullptr);
  EXPECT_THAT(outcome.set->unread_trust_roots, IsEmpty());
}

TEST(LoadObjects, StoresAndSectionsThatAreMissing) {
  LastGood last_good;
  ObjectsOutcome outcome = LoadObjects(
      {Object(NotationPolicyYaml()), Object(Edited(NotationRootYaml(), "tsa:\n      acme", "tsa:\n      other"))}, {},
      last_good);
  EXPECT_THAT(outcome.states[0].message, HasSubstr("there is no trust store 'tsa:acme'"));
  EXPECT_THAT(NotaryOf(*outcome.set).missing, HasSubstr("'tsa:acme'"));
  outcome =
      LoadObjects({Object(NodePolicyYaml()), Object(Renamed(SigstoreRootYaml(), "public", "vendors"))}, {}, last_good);
  EXPECT_TRUE(outcome.states[0].in_force);
  EXPECT_THAT(outcome.states[0].message, HasSubstr("TrustRoot 'vendors' has nothing for TPMs"));
}

// --- TUF

TEST(WithTrust, GivesWhatWasAwaited) {
  PolicySet before = Loaded({KeylessPolicyYaml(), TufRootYaml(), NotationPolicyYaml(), NotationRootYaml()});
  EXPECT_EQ(VouchingOf(before).material, nullptr);
  EXPECT_THAT(VouchingOf(before).missing, HasSubstr("TrustRoot 'public' has no material yet"));
  EXPECT_EQ(VouchingOf(before).missing_reason, Reason::kTrustUnavailable);
  const TufSource source = *before.trust_roots.at(1).tuf;
  auto material = SomeMaterial();
  auto after = WithTrust(before, {{"public", {source, "v1", material}}});
  EXPECT_EQ(VouchingOf(*after).material, material);
  EXPECT_EQ(VouchingOf(*after).missing, "");
  EXPECT_EQ(after->trust_roots.at(1).sigstore, material);
  EXPECT_NE(after->image_policies[0].generation, before.image_policies[0].generation);
  EXPECT_EQ(after->image_policies[1].generation, before.image_policies[1].generation) << "it does not name that one";
  EXPECT_NE(after->policy_generation, before.policy_generation);
  EXPECT_NE(after->trust_generation, before.trust_generation);
  // The same again is the same; another version is another.
  EXPECT_EQ(WithTrust(before, {{"public", {source, "v1", material}}})->policy_generation, after->policy_generation);
  EXPECT_NE(WithTrust(before, {{"public", {source, "v2", material}}})->policy_generation, after->policy_generation);
}

TEST(WithTrust, OnlyWhatWasFetchedForThisVerySource) {
  PolicySet before = Loaded({KeylessPolicyYaml(), TufRootYaml()});
  const TufSource source = *before.trust_roots.at(0).tuf;
  auto expect_nothing = [&](const std::string& name, const TufSource& from,
                            std::shared_ptr<const signature::sigstore::TrustMaterial> material) {
    auto after = WithTrust(before, {{name, {from, "v1", std::move(material)}}});
    EXPECT_EQ(VouchingOf(*after).material, nullptr);
    EXPECT_EQ(after->policy_generation, before.policy_generation);
  };
  expect_nothing("other", source, SomeMaterial());
  expect_nothing("public", source, nullptr);
  TufSource other = source;
  other.url = "https://evil.example";
  expect_nothing("public", other, SomeMaterial());
  other = source;
  other.root_digest = Digest::Parse("sha256:" + std::string(64, 'b')).value();
  expect_nothing("public", other, SomeMaterial());
  other = source;
  other.target = "another.json";
  expect_nothing("public", other, SomeMaterial());
  // A root that is not of a repository keeps its own.
  PolicySet lists = Loaded({KeylessPolicyYaml(), SigstoreRootYaml()});
  auto after = WithTrust(lists, {{"public", {source, "v1", SomeMaterial()}}});
  EXPECT_EQ(VouchingOf(*after).material, VouchingOf(lists).material);
}

TEST(WithTrust, NamespacedPoliciesAndUnionsToo) {
  std::string both = Edited(KeylessPolicyYaml(), "[public]", "[public, second]");
  both =
      Edited(both, "kind: ImagePolicy\nmetadata:\n", "kind: NamespacedImagePolicy\nmetadata:\n  namespace: team-a\n");
  PolicySet before = Loaded({both, TufRootYaml(), Renamed(SigstoreRootYaml(), "public", "second")});
  const TufSource source = *before.trust_roots.at(0).tuf;
  auto after = WithTrust(before, {{"public", {source, "v1", SomeMaterial()}}});
  const auto& vouching = std::get<KeylessAuthority>(after->namespaced_policies.at(0).authorities.at(0).rule).vouching;
  ASSERT_NE(vouching.material, nullptr);
  EXPECT_THAT(vouching.material->logs, SizeIs(2));
}

TEST(WithTrust, AwaitedMaterialIsNothingThatTheObjectLacks) {
  LastGood last_good;
  ObjectsOutcome outcome = LoadObjects({Object(KeylessPolicyYaml()), Object(TufRootYaml())}, {}, last_good);
  EXPECT_EQ(outcome.states[0].message, "");
  EXPECT_THAT(VouchingOf(*outcome.set).missing, HasSubstr("no material yet"));
  // What is missing beside it stays so, with its reason.
  ApiObject broken = Object(Renamed(SigstoreRootYaml(), "public", "second"));
  broken.json = Edited(broken.json, "https://rekor.example", "rekor.example");
  outcome =
      LoadObjects({Object(Edited(KeylessPolicyYaml(), "[public]", "[public, second]")), Object(TufRootYaml()), broken},
                  {}, last_good);
  const TufSource source = *outcome.set->trust_roots.at(0).tuf;
  auto after = WithTrust(*outcome.set, {{"public", {source, "v1", SomeMaterial()}}});
  EXPECT_EQ(VouchingOf(*after).missing, "TrustRoot 'second' cannot be read");
  EXPECT_EQ(VouchingOf(*after).missing_reason, Reason::kTrustRootMalformed);
}

}  // namespace
}  // namespace gatehouse::policy
