#include "common/crypto/revocation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/revocation.h"

namespace gatehouse::crypto {
namespace {

using fakes::CaSpec;
using fakes::CrlOptions;
using fakes::kPkiNow;
using fakes::LeafSpec;
using fakes::MakeCrl;
using fakes::MakeOcspResponse;
using fakes::OcspOptions;
using fakes::TestCa;
using fakes::TestCertificate;
using State = RevocationStatus::State;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr std::chrono::hours kHour{1};

struct World {
  TestCa root = TestCa::Root(CaSpec("issuer"));
  TestCa other = TestCa::Root(CaSpec("other"));
  TestCertificate good = root.Leaf(LeafSpec("good"));
  TestCertificate bad = root.Leaf(LeafSpec("bad"));
};
World& Shared() {
  static World world;
  return world;
}

// --- where to ask

TEST(RevocationPointersTest, HttpUrlsInOrderEachOnce) {
  auto leaf = Shared().root.Leaf(
      LeafSpec("pointed")
          .With("authorityInfoAccess",
                "OCSP;URI:http://ocsp.example/a,OCSP;URI:https://ocsp.example/tls,OCSP;URI:http://ocsp.example/a,"
                "caIssuers;URI:http://ca.example/ca.der")
          .With("crlDistributionPoints",
                "URI:http://crl.example/1.crl,URI:ldap://crl.example/2,URI:http://crl.example/3"));
  auto pointers = RevocationPointersOf(leaf.certificate);
  EXPECT_THAT(pointers.ocsp, ElementsAre("http://ocsp.example/a"));
  EXPECT_THAT(pointers.crl, ElementsAre("http://crl.example/1.crl", "http://crl.example/3"));
  EXPECT_TRUE(pointers.others);
}

TEST(RevocationPointersTest, NoneIsNone) {
  auto pointers = RevocationPointersOf(Shared().good.certificate);
  EXPECT_THAT(pointers.ocsp, IsEmpty());
  EXPECT_THAT(pointers.crl, IsEmpty());
  EXPECT_FALSE(pointers.others);
}

TEST(RevocationPointersTest, PlacesThatNoHttpUrlNamesAreNotForgotten) {
  const std::pair<const char*, const char*> kCases[] = {
      {"authorityInfoAccess", "OCSP;URI:https://ocsp.example/"},
      {"authorityInfoAccess", "OCSP;URI:HTTP://ocsp.example/"},
      {"authorityInfoAccess", "OCSP;DNS:ocsp.example"},
      {"authorityInfoAccess", "DER:0500"},
      {"crlDistributionPoints", "URI:ldap://crl.example/2"},
  };
  for (const auto& [extension, value] : kCases) {
    const auto pointers = RevocationPointersOf(Shared().root.Leaf(LeafSpec("leaf").With(extension, value)).certificate);
    EXPECT_TRUE(pointers.others) << value;
    EXPECT_THAT(pointers.ocsp, IsEmpty()) << value;
    EXPECT_THAT(pointers.crl, IsEmpty()) << value;
  }
  const auto issuers_only = RevocationPointersOf(
      Shared().root.Leaf(LeafSpec("leaf").With("authorityInfoAccess", "caIssuers;URI:ldap://ca.example/")).certificate);
  EXPECT_FALSE(issuers_only.others) << "where the issuer's certificate is says nothing of revocation";
}

TEST(IssuerUrlsTest, HttpUrlsOfIssuersInOrderEachOnce) {
  const auto leaf =
      Shared().root.Leaf(LeafSpec("leaf").With("authorityInfoAccess",
                                               "OCSP;URI:http://ocsp.example/a,caIssuers;URI:http://ca.example/1.cer,"
                                               "caIssuers;URI:ldap://ca.example/2,caIssuers;URI:https://ca.example/3,"
                                               "caIssuers;URI:http://ca.example/1.cer,caIssuers;DNS:ca.example,"
                                               "caIssuers;URI:http://ca.example/4.cer"));
  EXPECT_THAT(IssuerUrlsOf(leaf.certificate), ElementsAre("http://ca.example/1.cer", "http://ca.example/4.cer"));
  EXPECT_THAT(IssuerUrlsOf(Shared().good.certificate), IsEmpty());
  const auto unreadable = Shared().root.Leaf(LeafSpec("leaf").With("authorityInfoAccess", "DER:0500"));
  EXPECT_THAT(IssuerUrlsOf(unreadable.certificate), IsEmpty());
}

// --- CRL

Result<RevocationList> Read(const Bytes& der, WallTime now = kPkiNow) {
  return RevocationList::FromDer(der, Shared().root.certificate(), now);
}

TEST(RevocationListTest, TellsTheRevokedFromTheOthers) {
  auto list = Read(MakeCrl(Shared().root, {{.certificate = Shared().bad.certificate,
                                            .at = kPkiNow - kHour,
                                            .reason = "keyCompromise",
                                            .invalid_since = kPkiNow - 2 * kHour}}));
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  EXPECT_EQ(list->Find(Shared().good.certificate).state, State::kGood);
  auto status = list->Find(Shared().bad.certificate);
  EXPECT_EQ(status.state, State::kRevoked);
  EXPECT_EQ(status.reason, "keyCompromise");
  EXPECT_EQ(status.revoked_at, kPkiNow - kHour);
  EXPECT_EQ(status.invalid_since, kPkiNow - 2 * kHour);
  EXPECT_EQ(list->next_update(), kPkiNow + 24 * kHour);
}

TEST(RevocationListTest, WhatAListRevokedIsReadAfterItsTimeByWhoAsksForIt) {
  const Bytes der = MakeCrl(Shared().root, {{.certificate = Shared().bad.certificate, .at = kPkiNow - kHour}});
  const WallTime later = kPkiNow + 48 * kHour;
  EXPECT_EQ(Read(der, later).error().reason, Reason::kRevocationUnavailable);
  auto over = RevocationList::FromDer(der, Shared().root.certificate(), later, true);
  ASSERT_TRUE(over.ok()) << over.error().ToString();
  EXPECT_EQ(over->Find(Shared().bad.certificate).state, State::kRevoked);
  EXPECT_LT(over->next_update(), later);
  auto future = RevocationList::FromDer(der, Shared().root.certificate(), kPkiNow - 48 * kHour, true);
  ASSERT_FALSE(future.ok());
  EXPECT_EQ(future.error().reason, Reason::kRevocationUnavailable);
}

TEST(RevocationListTest, SaysNothingOfOthersCertificates) {
  auto list = Read(MakeCrl(Shared().root, {}));
  ASSERT_TRUE(list.ok());
  auto stranger = Shared().other.Leaf(LeafSpec("stranger"));
  EXPECT_EQ(list->Find(stranger.certificate).state, State::kUnknown);
}

struct CrlDefect {
  const char* what;
  Reason reason;
  std::function<void(CrlOptions&)> spoil;
};

TEST(RevocationListTest, DefectsAreRefused) {
  const CrlDefect defects[] = {
      {"signed by another key", Reason::kCertificateUntrusted, [](CrlOptions& o) { o.signed_by = &Shared().other; }},
      {"of another issuer", Reason::kCertificateUntrusted, [](CrlOptions& o) { o.issuer_name_of = &Shared().other; }},
      {"SHA-1", Reason::kCertificateUntrusted, [](CrlOptions& o) { o.hash = HashAlgorithm::kSha1; }},
      {"no nextUpdate", Reason::kRevocationMalformed, [](CrlOptions& o) { o.next_update.reset(); }},
      {"out of date", Reason::kRevocationUnavailable,
       [](CrlOptions& o) { o.next_update = kPkiNow - std::chrono::seconds(1); }},
      {"of the future", Reason::kRevocationUnavailable, [](CrlOptions& o) { o.this_update = kPkiNow + kHour; }},
      {"unknown critical extension", Reason::kRevocationMalformed,
       [](CrlOptions& o) { o.extensions["1.2.3.4"] = "critical,DER:0500"; }},
      {"indirect", Reason::kRevocationMalformed,
       [](CrlOptions& o) { o.extensions["issuingDistributionPoint"] = "critical,indirectCRL:TRUE"; }},
      {"some reasons only", Reason::kRevocationMalformed,
       [](CrlOptions& o) { o.extensions["issuingDistributionPoint"] = "critical,onlysomereasons:keyCompromise"; }},
      {"attribute certificates", Reason::kRevocationMalformed,
       [](CrlOptions& o) { o.extensions["issuingDistributionPoint"] = "critical,onlyAA:TRUE"; }},
  };
  for (const CrlDefect& defect : defects) {
    CrlOptions options;
    defect.spoil(options);
    auto list = Read(MakeCrl(Shared().root, {}, options));
    ASSERT_FALSE(list.ok()) << defect.what;
    EXPECT_EQ(list.error().reason, defect.reason) << defect.what << ": " << list.error().ToString();
  }
}

TEST(RevocationListTest, IssuerThatMayNotSignCrls) {
  auto ca = TestCa::Root(CaSpec("issuer").With("keyUsage", "critical,keyCertSign"));
  EXPECT_EQ(RevocationList::FromDer(MakeCrl(ca, {}), ca.certificate(), kPkiNow).error().reason,
            Reason::kCertificateUntrusted);
}

TEST(RevocationListTest, EveryTruncationAndTrailingBytes) {
  Bytes der = MakeCrl(Shared().root, {{.certificate = Shared().bad.certificate}});
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_EQ(Read(Bytes(der.begin(), der.begin() + static_cast<std::ptrdiff_t>(size))).error().reason,
              Reason::kRevocationMalformed)
        << size;
  }
  der.push_back(0);
  EXPECT_EQ(Read(der).error().reason, Reason::kRevocationMalformed);
}

// A part of an issuer's lists says nothing of certificates of another part: whoever stands in the way could serve it
// instead.
TEST(RevocationListTest, PartitionOfAnotherDistributionPoint) {
  auto here = Shared().root.Leaf(LeafSpec("here").With("crlDistributionPoints", "URI:http://crl.example/1"));
  auto there = Shared().root.Leaf(LeafSpec("there").With("crlDistributionPoints", "URI:http://crl.example/2"));
  CrlOptions options;
  options.extensions["issuingDistributionPoint"] = "critical,fullname:URI:http://crl.example/1";
  auto list = Read(MakeCrl(Shared().root, {}, options));
  ASSERT_TRUE(list.ok()) << list.error().ToString();
  EXPECT_EQ(list->Find(here.certificate).state, State::kGood);
  EXPECT_EQ(list->Find(there.certificate).state, State::kUnknown);
  EXPECT_EQ(list->Find(Shared().good.certificate).state, State::kUnknown);
}

TEST(RevocationListTest, ScopeOfCasAndOthers) {
  auto intermediate = Shared().root.Intermediate(CaSpec("intermediate"));
  CrlOptions users;
  users.extensions["issuingDistributionPoint"] = "critical,onlyuser:TRUE";
  auto list = Read(MakeCrl(Shared().root, {}, users));
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->Find(intermediate.certificate()).state, State::kUnknown);
  EXPECT_EQ(list->Find(Shared().good.certificate).state, State::kGood);
  CrlOptions cas;
  cas.extensions["issuingDistributionPoint"] = "critical,onlyCA:TRUE";
  list = Read(MakeCrl(Shared().root, {}, cas));
  ASSERT_TRUE(list.ok());
  EXPECT_EQ(list->Find(intermediate.certificate()).state, State::kGood);
  EXPECT_EQ(list->Find(Shared().good.certificate).state, State::kUnknown);
}

TEST(RevocationListTest, DeltaOnTopOfItsBase) {
  const auto& bad = Shared().bad.certificate;
  const auto& good = Shared().good.certificate;
  auto base = Read(MakeCrl(Shared().root, {{.certificate = bad, .reason = "certificateHold"}},
                           {.number = 5, .freshest_url = "http://crl.example/delta"}));
  ASSERT_TRUE(base.ok()) << base.error().ToString();
  EXPECT_EQ(base->DeltaUrl(), "http://crl.example/delta");
  auto delta = Read(MakeCrl(Shared().root, {{.certificate = good}, {.certificate = bad, .reason = "removeFromCRL"}},
                            {.next_update = kPkiNow + kHour, .number = 7, .base_number = 5}));
  ASSERT_TRUE(delta.ok()) << delta.error().ToString();
  EXPECT_TRUE(delta->is_delta());
  EXPECT_EQ(delta->Find(bad).state, State::kUnknown) << "a delta alone tells nothing";
  auto both = base->With(*delta);
  ASSERT_TRUE(both.ok()) << both.error().ToString();
  EXPECT_EQ(both->Find(good).state, State::kRevoked);
  EXPECT_EQ(both->Find(bad).state, State::kGood);
  EXPECT_EQ(both->next_update(), kPkiNow + kHour);
}

TEST(RevocationListTest, DeltaThatDoesNotFit) {
  auto base = Read(MakeCrl(Shared().root, {}, {.number = 5}));
  auto newer_base = Read(MakeCrl(Shared().root, {}, {.number = 9, .base_number = 6}));
  auto older = Read(MakeCrl(Shared().root, {}, {.number = 4, .base_number = 3}));
  ASSERT_TRUE(base.ok() && newer_base.ok() && older.ok());
  EXPECT_EQ(base->With(*newer_base).error().reason, Reason::kRevocationMalformed);
  EXPECT_EQ(base->With(*older).error().reason, Reason::kRevocationMalformed);
  EXPECT_EQ(base->With(*base).error().reason, Reason::kRevocationMalformed);
}

// --- OCSP

Result<RevocationStatus> Ask(const OcspOptions& options = {}, WallTime now = kPkiNow) {
  World& world = Shared();
  return ReadOcspResponse(MakeOcspResponse(world.root, world.good.certificate, options), world.good.certificate,
                          world.root.certificate(), now);
}

TEST(OcspTest, GoodRevokedUnknown) {
  auto good = Ask();
  ASSERT_TRUE(good.ok()) << good.error().ToString();
  EXPECT_EQ(good->state, State::kGood);
  EXPECT_EQ(good->next_update, kPkiNow + 24 * kHour);
  auto revoked = Ask({.status = OcspOptions::Status::kRevoked,
                      .revoked_at = kPkiNow - kHour,
                      .reason = "superseded",
                      .invalid_since = kPkiNow - 2 * kHour});
  ASSERT_TRUE(revoked.ok()) << revoked.error().ToString();
  EXPECT_EQ(revoked->state, State::kRevoked);
  EXPECT_EQ(revoked->reason, "superseded");
  EXPECT_EQ(revoked->revoked_at, kPkiNow - kHour);
  EXPECT_EQ(revoked->invalid_since, kPkiNow - 2 * kHour);
  EXPECT_EQ(Ask({.status = OcspOptions::Status::kUnknown})->state, State::kUnknown);
}

TEST(OcspTest, EitherHashAndEitherName) {
  EXPECT_TRUE(Ask({.sha256 = true}).ok());
  EXPECT_TRUE(Ask({.by_key = true}).ok());
}

TEST(OcspTest, DelegatedResponder) {
  auto responder = Shared().root.Leaf(fakes::OcspResponderSpec());
  auto status = Ask({.responder = &responder});
  ASSERT_TRUE(status.ok()) << status.error().ToString();
  EXPECT_EQ(status->state, State::kGood);
  EXPECT_EQ(Ask({.responder = &responder, .embed_responder = false}).error().reason, Reason::kCertificateUntrusted);
}

TEST(OcspTest, ResponderThatMayNotAnswer) {
  struct Case {
    const char* what;
    TestCertificate responder;
  };
  const Case cases[] = {
      {"not certified for it", Shared().root.Leaf(LeafSpec("no eku"))},
      {"for something else", Shared().root.Leaf(LeafSpec("eku").With("extendedKeyUsage", "codeSigning"))},
      {"of another CA", Shared().other.Leaf(fakes::OcspResponderSpec())},
      {"expired", Shared().root.Leaf(fakes::OcspResponderSpec().Valid(fakes::kPkiNotBefore, kPkiNow - kHour))},
      {"of a CA below", Shared().root.Intermediate(CaSpec("below")).Leaf(fakes::OcspResponderSpec())},
      {"by itself", TestCa::SelfSignedLeaf(fakes::OcspResponderSpec())},
  };
  for (const Case& each : cases) {
    EXPECT_EQ(Ask({.responder = &each.responder}).error().reason, Reason::kCertificateUntrusted) << each.what;
  }
}

TEST(OcspTest, DefectsAreRefused) {
  World& world = Shared();
  EXPECT_EQ(Ask({.about_instead = &world.bad}).error().reason, Reason::kRevocationUnavailable);
  EXPECT_EQ(Ask({.issuer_instead = &world.other}).error().reason, Reason::kRevocationUnavailable);
  EXPECT_EQ(Ask({.next_update = std::nullopt}).error().reason, Reason::kRevocationUnavailable);
  EXPECT_EQ(Ask({.next_update = kPkiNow - kHour}).error().reason, Reason::kRevocationUnavailable);
  EXPECT_EQ(Ask({.this_update = kPkiNow + kHour}).error().reason, Reason::kRevocationUnavailable);
  for (int status : {1, 2, 3, 5, 6}) {
    EXPECT_EQ(Ask({.response_status = status}).error().reason, Reason::kRevocationUnavailable) << status;
  }
}

TEST(OcspTest, EveryTruncationAndTrailingBytes) {
  World& world = Shared();
  Bytes der = MakeOcspResponse(world.root, world.good.certificate);
  auto read = [&](const Bytes& bytes) {
    return ReadOcspResponse(bytes, world.good.certificate, world.root.certificate(), kPkiNow);
  };
  for (std::size_t size = 0; size < der.size(); ++size) {
    EXPECT_EQ(read(Bytes(der.begin(), der.begin() + static_cast<std::ptrdiff_t>(size))).error().reason,
              Reason::kRevocationMalformed)
        << size;
  }
  // No bit of it may be changed without notice.
  for (std::size_t i = 0; i < der.size(); ++i) {
    Bytes changed = der;
    changed[i] ^= 1;
    auto status = read(changed);
    EXPECT_FALSE(status.ok() && status->state == State::kGood && changed != der) << i;
  }
  der.push_back(0);
  EXPECT_EQ(read(der).error().reason, Reason::kRevocationMalformed);
}

TEST(OcspTest, RequestNamesTheCertificate) {
  World& world = Shared();
  for (bool sha256 : {false, true}) {
    EXPECT_THAT(fakes::OcspRequestSerials(OcspRequest(world.good.certificate, world.root.certificate(), sha256)),
                ElementsAre(fakes::SerialOf(world.good.certificate)));
  }
}

}  // namespace
}  // namespace gatehouse::crypto
