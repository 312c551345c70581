#include <future>

#include "tests/webhook/certificates/support.h"

namespace gatehouse::webhook {
namespace {

using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

constexpr Duration kHour = std::chrono::hours(1);
constexpr Duration kDay = std::chrono::hours(24);

using FirstStart = CertificatesTest;

TEST_F(FirstStart, MakesAllFourObjects) {
  MustRun();
  ExpectServed();
  auto tls = server_.Find(kube::kSecrets, "gatehouse-tls", kNamespace);
  EXPECT_EQ(tls->TextAt({"type"}), "kubernetes.io/tls");
  for (const auto& [resource, name] :
       {std::pair(kube::kSecrets, "gatehouse-ca"), std::pair(kube::kSecrets, "gatehouse-tls"),
        std::pair(kube::kSecrets, "gatehouse-attestation"), std::pair(kube::kConfigMaps, "gatehouse-public")}) {
    auto object = server_.Find(resource, name, kNamespace);
    ASSERT_TRUE(object.has_value()) << name;
    EXPECT_EQ(object->TextAt({"metadata", "labels", "app.kubernetes.io/managed-by"}), "gatehouse") << name;
  }
  auto leaf = crypto::Certificate::ListFromPem(Tls("tls.crt"))->at(0);
  EXPECT_THAT(crypto::ServerNames(leaf), ElementsAre("10.0.0.7", "gatehouse-webhook.gatehouse-system.svc"));
  EXPECT_EQ(leaf.NotAfter(), clock_.Wall() + Options().validity);
  EXPECT_EQ(Keys("nonce.key").size(), 32U);
  EXPECT_EQ(Public("signing-keys.pem"), crypto::PrivateKey::FromPem(Keys("signing.key"))->Public().Pem());
  EXPECT_EQ(Public("ca.crt"), Ca("ca.crt"));
}

TEST_F(FirstStart, NothingIsWrittenTwice) {
  MustRun();
  std::size_t writes = Writes();
  for (int i = 0; i < 3; ++i) MustRun();
  EXPECT_EQ(Writes(), writes);
  EXPECT_LE(Run().value(), std::chrono::seconds(15));
}

TEST_F(FirstStart, OthersWebhooksStayAsTheyAre) {
  auto others = server_.Find(kube::kValidatingWebhooks, "not-ours");
  MustRun();
  EXPECT_EQ(server_.Find(kube::kValidatingWebhooks, "not-ours"), others);
  EXPECT_EQ(CaBundle(kube::kValidatingWebhooks, "gatehouse", 1), "OTHER");
  auto ours = server_.Find(kube::kValidatingWebhooks, "gatehouse");
  EXPECT_EQ(ours->At({"webhooks"})->elements.size(), 3U);
  EXPECT_EQ(ours->At({"webhooks"})->elements[0].TextAt({"failurePolicy"}), "Fail");
  EXPECT_EQ(ours->At({"webhooks"})->elements[0].TextAt({"clientConfig", "service", "path"}), "/validate");
}

TEST_F(FirstStart, WithoutWebhookConfigurations) {
  server_.Remove(kube::kValidatingWebhooks, "gatehouse");
  server_.Remove(kube::kMutatingWebhooks, "gatehouse");
  MustRun();
  EXPECT_TRUE(Trusted(Public("ca.crt")));
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("ValidatingWebhookConfiguration gatehouse does not exist"),
                                      HasSubstr("MutatingWebhookConfiguration gatehouse does not exist")));
  PutWebhooks();
  MustRun();
  ExpectServed();
  EXPECT_THAT(Problems(), IsEmpty());
}

TEST_F(FirstStart, WithoutCertificatesOfOurOwn) {
  CertificateOptions options = Options();
  options.serving = false;
  MustRun(options);
  EXPECT_FALSE(server_.Find(kube::kSecrets, "gatehouse-ca", kNamespace).has_value());
  EXPECT_FALSE(server_.Find(kube::kSecrets, "gatehouse-tls", kNamespace).has_value());
  EXPECT_EQ(Public("signing-keys.pem"), crypto::PrivateKey::FromPem(Keys("signing.key"))->Public().Pem());
  EXPECT_EQ(Public("ca.crt"), "");
  EXPECT_EQ(server_.Count("GET", "/apis/admissionregistration"), 0U);
  EXPECT_EQ(CaBundle(kube::kValidatingWebhooks, "gatehouse", 0), "");
}

TEST_F(FirstStart, NotLeadingWritesNothing) {
  leading_ = false;
  MustRun();
  EXPECT_THAT(server_.requests(), IsEmpty());
}

TEST_F(FirstStart, LosingTheLeadBetweenTwoWritesStops) {
  auto writes = std::make_shared<std::atomic<int>>(0);
  server_.Intercept([=, this](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb != "GET" && ++*writes == 2) leading_ = false;
    return std::nullopt;
  });
  MustRun();
  EXPECT_EQ(Writes(), 2U);
}

TEST_F(FirstStart, LosingTheLeadWhileReadingStops) {
  server_.Intercept([this](const fakes::KubeRequest&) -> std::optional<fakes::KubeReply> {
    leading_ = false;
    return std::nullopt;
  });
  MustRun();
  EXPECT_EQ(Writes(), 0U);
}

TEST_F(FirstStart, NamesThatAreNoneAreSaid) {
  CertificateOptions options = Options();
  options.dns_names.emplace_back("not a name");
  auto round = Run(options);
  ASSERT_FALSE(round.ok());
  EXPECT_EQ(round.error().reason, Reason::kConfigInvalid);
  EXPECT_NE(Public("signing-keys.pem"), "") << "the rest is done";
}

TEST_F(FirstStart, RepeatedNamesAreOne) {
  CertificateOptions options = Options();
  options.dns_names = {"a.example", "A.example", "10.0.0.7", "10.0.0.7"};
  MustRun(options);
  std::size_t writes = Writes();
  MustRun(options);
  EXPECT_EQ(Writes(), writes);
}

TEST_F(FirstStart, TwoLeadersDoNotHarmEachOther) {
  // Which must not be; the resourceVersion decides all the same.
  std::vector<std::future<bool>> all;
  for (int i = 0; i < 4; ++i) {
    all.push_back(std::async(std::launch::async, [this] {
      auto round = Run();
      return round.ok() || round.error().reason == Reason::kKubeConflict;
    }));
  }
  for (auto& one : all) EXPECT_TRUE(one.get());
  MustRun();
  ExpectServed();
}

TEST_F(FirstStart, ConflictIsLookedAtAnew) {
  bool once = true;
  server_.Intercept([&](const fakes::KubeRequest& request) -> std::optional<fakes::KubeReply> {
    if (request.verb != "PATCH" || !once) return std::nullopt;
    once = false;
    PutWebhooks();  // another resourceVersion
    return std::nullopt;
  });
  MustRun();
  ExpectServed();
}

// --- killed after any write

class Killed : public CertificatesTest, public testing::WithParamInterface<bool> {
 protected:
  // Runs until nothing is written any more, with at most one write a process; `look` after each.
  void Creep(const CertificateOptions& options, const std::function<void()>& look) {
    for (int i = 0; i < 60; ++i) {
      std::size_t before = Writes();
      AllowWrites(1);
      // Either the process dies before its second write, or the answer to its only one is lost.
      if (GetParam()) {
        server_.Fail({.verb = "PATCH", .status = 0, .done_nevertheless = true});
        server_.Fail({.verb = "POST", .status = 0, .done_nevertheless = true});
      }
      (void)Run(options);
      server_.ClearFaults();
      AllowAll();
      if (Writes() == before) return;
      look();
    }
    FAIL() << "it does not come to rest";
  }
};

TEST_P(Killed, AtTheFirstStart) {
  Creep(Options(), [] {});
  std::size_t writes = Writes();
  MustRun();
  EXPECT_EQ(Writes(), writes);
  ExpectServed();
}

// The property that rotation is about: at no time, whatever step was the last one, is a certificate served that some
// client does not trust; also not one that has the bundle of an hour ago.
TEST_P(Killed, WhileTheCaIsRotated) {
  MustRun();
  const std::string first_ca = Ca("ca.crt");
  std::vector<std::string> earlier = Bundles();
  std::set<std::string> served = {Tls("tls.crt")};
  for (int hour = 0; hour < 24 * 95; hour += hour < 24 * 59 || hour > 24 * 61 ? 24 : 1) {
    Creep(Options(), [&] {
      ExpectServed();
      served.insert(Tls("tls.crt"));
    });
    ExpectServed();
    for (const std::string& bundle : earlier) EXPECT_TRUE(Trusted(bundle)) << "hour " << hour;
    earlier = Bundles();
    clock_.Advance(hour < 24 * 59 || hour > 24 * 61 ? kDay : kHour);
  }
  EXPECT_NE(Ca("ca.crt"), first_ca);
  EXPECT_EQ(Ca("next-ca.crt"), "");
  EXPECT_EQ(Ca("previous-ca.crt"), "");
  EXPECT_EQ(Public("ca.crt"), Ca("ca.crt"));
  EXPECT_GT(served.size(), 10U) << "renewed each six days";
  EXPECT_LT(served.size(), 25U);
}

INSTANTIATE_TEST_SUITE_P(Before, Killed, testing::Values(false), [](const auto&) { return "TheSecondWrite"; });
INSTANTIATE_TEST_SUITE_P(After, Killed, testing::Values(true), [](const auto&) { return "AWriteWithoutAnswer"; });

// --- time passes

using Renewal = CertificatesTest;

TEST_F(Renewal, OfTheServingCertificateAtTwoThirds) {
  MustRun();
  const std::string first = Tls("tls.crt");
  const std::string first_key = Tls("tls.key");
  clock_.Advance(5 * kDay);
  MustRun();
  EXPECT_EQ(Tls("tls.crt"), first);
  clock_.Advance(kDay);
  MustRun();
  EXPECT_NE(Tls("tls.crt"), first);
  EXPECT_NE(Tls("tls.key"), first_key);
  ExpectServed();
  EXPECT_EQ(Ca("next-ca.crt"), "");
}

TEST_F(Renewal, IsNotedInTime) {
  CertificateOptions options = Options();
  options.validity = std::chrono::seconds(30);
  options.ca_validity = std::chrono::seconds(60);
  options.overlap = std::chrono::seconds(5);
  MustRun(options);
  const WallTime start = clock_.Wall();
  int rounds = 0;
  while (clock_.Wall() < start + std::chrono::minutes(5)) {
    auto wait = Run(options);
    ASSERT_TRUE(wait.ok()) << wait.error().ToString();
    ASSERT_GT(*wait, Duration::zero());
    ASSERT_LE(*wait, std::chrono::seconds(15));
    ExpectServed();
    clock_.Advance(*wait);
    ++rounds;
  }
  EXPECT_LT(rounds, 100) << "nothing is due as soon as it is made";
  EXPECT_LT(Writes(), 250U);
}

TEST_F(Renewal, OfTheCaStepByStep) {
  MustRun();
  const std::string old_ca = Ca("ca.crt");
  clock_.Advance(60 * kDay);
  MustRun();
  const std::string next_ca = Ca("next-ca.crt");
  EXPECT_NE(next_ca, "");
  EXPECT_EQ(Ca("ca.crt"), old_ca);
  for (const std::string& bundle : Bundles()) EXPECT_EQ(bundle, old_ca + next_ca);
  EXPECT_TRUE(Trusted(old_ca));
  EXPECT_FALSE(Trusted(next_ca)) << "nothing is signed by it yet";

  clock_.Advance(kHour - std::chrono::seconds(1));
  MustRun();
  EXPECT_EQ(Ca("ca.crt"), old_ca);
  clock_.Advance(std::chrono::seconds(2));
  MustRun();
  EXPECT_EQ(Ca("ca.crt"), next_ca);
  EXPECT_EQ(Ca("previous-ca.crt"), old_ca);
  EXPECT_EQ(Ca("next-ca.crt"), "");
  EXPECT_EQ(Ca("next-ca.key"), "");
  EXPECT_TRUE(Trusted(next_ca));
  EXPECT_FALSE(Trusted(old_ca));
  for (const std::string& bundle : Bundles()) EXPECT_EQ(bundle, next_ca + old_ca);

  clock_.Advance(kHour - std::chrono::seconds(1));
  MustRun();
  EXPECT_EQ(Ca("previous-ca.crt"), old_ca);
  clock_.Advance(std::chrono::seconds(2));
  MustRun();
  EXPECT_EQ(Ca("previous-ca.crt"), "");
  for (const std::string& bundle : Bundles()) EXPECT_EQ(bundle, next_ca);
}

TEST_F(Renewal, ACaIsNotUsedBeforeEverybodyKnowsIt) {
  MustRun();
  const std::string old_ca = Ca("ca.crt");
  clock_.Advance(60 * kDay);
  server_.Fail(
      {.verb = "PATCH", .path = "/apis/admissionregistration.k8s.io/v1/mutating", .status = 403, .times = 1000});
  EXPECT_EQ(Run().error().reason, Reason::kKubeDenied);
  clock_.Advance(10 * kDay);
  EXPECT_EQ(Run().error().reason, Reason::kKubeDenied);
  EXPECT_EQ(Ca("ca.crt"), old_ca);
  EXPECT_NE(Ca("next-ca.crt"), "");
  EXPECT_EQ(CaBundle(kube::kValidatingWebhooks, "gatehouse", 0), old_ca + Ca("next-ca.crt")) << "the others go on";
  auto leaf = crypto::Certificate::ListFromPem(Tls("tls.crt"))->at(0);
  EXPECT_GT(leaf.NotAfter(), clock_.Wall()) << "renewal under the old CA goes on as well";
  EXPECT_TRUE(Trusted(old_ca));
  server_.ClearFaults();
  MustRun();
  clock_.Advance(kHour);
  MustRun();
  EXPECT_EQ(Ca("previous-ca.crt"), old_ca);
  ExpectServed();
}

TEST_F(Renewal, AfterYearsWithoutALeader) {
  MustRun();
  const std::string old_ca = Ca("ca.crt");
  clock_.Advance(1000 * kDay);
  MustRun();
  ExpectServed();
  EXPECT_NE(Ca("ca.crt"), old_ca);
  EXPECT_EQ(Ca("previous-ca.crt"), "") << "it expired";
  EXPECT_EQ(Public("ca.crt"), Ca("ca.crt"));
}

TEST_F(Renewal, AfterALongPauseInTheMiddleOfARotation) {
  MustRun();
  clock_.Advance(60 * kDay);
  MustRun();
  const std::string next_ca = Ca("next-ca.crt");
  clock_.Advance(40 * kDay);
  MustRun();
  ExpectServed();
  EXPECT_EQ(Ca("ca.crt"), next_ca);
}

// --- what somebody else changed

using Changed = CertificatesTest;

TEST_F(Changed, NamesAreIssuedAnew) {
  MustRun();
  const std::string first = Tls("tls.crt");
  CertificateOptions options = Options();
  options.dns_names.emplace_back("new.example");
  MustRun(options);
  EXPECT_NE(Tls("tls.crt"), first);
  EXPECT_THAT(crypto::ServerNames(crypto::Certificate::ListFromPem(Tls("tls.crt"))->at(0)), SizeIs(3));
  ExpectServed();
  MustRun();
  EXPECT_THAT(crypto::ServerNames(crypto::Certificate::ListFromPem(Tls("tls.crt"))->at(0)), SizeIs(2)) << "and back";
}

TEST_F(Changed, CaBundleIsPutRight) {
  MustRun();
  PutWebhooks();  // as an upgrade does that knows no caBundle
  MustRun();
  ExpectServed();
  EXPECT_EQ(CaBundle(kube::kValidatingWebhooks, "gatehouse", 1), "OTHER");
  auto object = *server_.Find(kube::kMutatingWebhooks, "gatehouse");
  object.Member("webhooks").elements[0].Member("clientConfig").Member("caBundle") =
      fakes::JsonValue::String("not base64!");
  server_.Put(object.Write());
  MustRun();
  ExpectServed();
}

TEST_F(Changed, PublicKeysArePutRight) {
  MustRun();
  const std::string keys = Public("signing-keys.pem");
  auto object = *server_.Find(kube::kConfigMaps, "gatehouse-public", kNamespace);
  object.Member("data").Member("signing-keys.pem") = fakes::JsonValue::String("another key");
  object.Member("data").Member("ca.crt") = fakes::JsonValue::String("another CA");
  object.Member("data").Member("more") = fakes::JsonValue::String("of somebody");
  server_.Put(object.Write());
  MustRun();
  EXPECT_EQ(Public("signing-keys.pem"), keys);
  EXPECT_EQ(Public("ca.crt"), Ca("ca.crt"));
  EXPECT_EQ(Public("more"), "of somebody");
}

TEST_F(Changed, PreviousSigningKeyIsPublishedToo) {
  MustRun();
  auto previous = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Public().Pem();
  PutSecret(
      "gatehouse-attestation", true,
      {{"nonce.key", Keys("nonce.key")}, {"signing.key", Keys("signing.key")}, {"previous-signing.pub", previous}});
  MustRun();
  EXPECT_EQ(Public("signing-keys.pem"), crypto::PrivateKey::FromPem(Keys("signing.key"))->Public().Pem() + previous);
}

TEST_F(Changed, DeletedObjectsAreMadeAgain) {
  MustRun();
  for (const char* name : {"gatehouse-tls", "gatehouse-ca"}) {
    server_.Remove(kube::kSecrets, name, kNamespace);
    MustRun();
    ExpectServed();
  }
  server_.Remove(kube::kConfigMaps, "gatehouse-public", kNamespace);
  MustRun();
  ExpectServed();
}

// --- what cannot be used

using Garbage = CertificatesTest;

TEST_F(Garbage, OfOursIsReplaced) {
  const std::vector<std::map<std::string, std::string>> bad = {
      {{"ca.crt", "garbage"}, {"ca.key", "garbage"}}, {{"ca.crt", "garbage"}}, {}, {{"other", "x"}}};
  for (const auto& entries : bad) {
    PutSecret("gatehouse-ca", true, entries);
    MustRun();
    ExpectServed();
    PutSecret("gatehouse-tls", true, {{"tls.crt", "garbage"}, {"tls.key", "garbage"}});
    MustRun();
    ExpectServed();
  }
}

TEST_F(Garbage, CaWithTheKeyOfAnotherIsReplacedAndTrustedAWhile) {
  MustRun();
  const std::string old_ca = Ca("ca.crt");
  const std::string old_leaf = Tls("tls.crt");
  PutSecret("gatehouse-ca", true,
            {{"ca.crt", old_ca}, {"ca.key", crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Pem()}});
  MustRun();
  ExpectServed();
  EXPECT_EQ(Ca("previous-ca.crt"), old_ca);
  EXPECT_NE(Tls("tls.crt"), old_leaf);
  for (const std::string& bundle : Bundles()) EXPECT_THAT(bundle, HasSubstr(old_ca));
}

TEST_F(Garbage, OfOthersIsLeftAloneAndSaid) {
  for (const char* name : {"gatehouse-ca", "gatehouse-tls", "gatehouse-attestation"}) {
    PutSecret(name, false, {{"ca.crt", "garbage"}, {"tls.crt", "garbage"}, {"signing.key", "garbage"}});
  }
  auto before = server_.All(kube::kSecrets);
  (void)Run();
  EXPECT_EQ(server_.All(kube::kSecrets), before);
  auto problems = Problems();
  for (const char* name : {"gatehouse-ca", "gatehouse-attestation"}) {
    EXPECT_THAT(problems, testing::Contains(testing::AllOf(HasSubstr(name), HasSubstr("managed-by=gatehouse"))))
        << name;
  }
}

// Its key signed the bindings of every node.
TEST_F(Garbage, KeysOfResultsAreNeverOverwritten) {
  MustRun();
  const std::string nonce = Keys("nonce.key");
  for (const auto& entries : std::vector<std::map<std::string, std::string>>{
           {{"nonce.key", nonce}, {"signing.key", "garbage"}},
           {{"nonce.key", nonce}, {"signing.key", crypto::PrivateKey::Generate(crypto::KeyType::kEcP384)->Pem()}},
           {{"nonce.key", "short"}, {"signing.key", Keys("signing.key")}}}) {
    PutSecret("gatehouse-attestation", true, entries);
    auto before = server_.Find(kube::kSecrets, "gatehouse-attestation", kNamespace);
    MustRun();
    EXPECT_EQ(server_.Find(kube::kSecrets, "gatehouse-attestation", kNamespace), before);
    EXPECT_THAT(Problems(), ElementsAre(HasSubstr("is never replaced by itself")));
  }
}

TEST_F(Garbage, MissingKeysOfOursAreAdded) {
  const std::string signing = crypto::PrivateKey::Generate(crypto::KeyType::kEcP256)->Pem();
  PutSecret("gatehouse-attestation", true, {{"signing.key", signing}, {"nonce.key", ""}});
  MustRun();
  EXPECT_EQ(Keys("signing.key"), signing);
  EXPECT_EQ(Keys("nonce.key").size(), 32U);
}

TEST_F(Garbage, KeyOfResultsIsPublishedOnlyIfItIsOne) {
  PutSecret("gatehouse-attestation", true, {{"signing.key", "garbage"}, {"nonce.key", std::string(32, 'n')}});
  MustRun();
  EXPECT_EQ(Public("signing-keys.pem"), "");
  EXPECT_NE(Public("ca.crt"), "");
}

// --- a CA that an operator brings

TEST_F(CertificatesTest, OwnCaOfAnOperatorIsUsedAndNotWritten) {
  auto own = MakeCa(Options(), clock_.Wall()).value();
  PutSecret("gatehouse-ca", false, {{"ca.crt", own.certificate_pem}, {"ca.key", own.key_pem}});
  auto before = server_.Find(kube::kSecrets, "gatehouse-ca", kNamespace);
  MustRun();
  ExpectServed();
  EXPECT_EQ(Public("ca.crt"), own.certificate_pem);
  clock_.Advance(61 * kDay);
  MustRun();
  EXPECT_EQ(server_.Find(kube::kSecrets, "gatehouse-ca", kNamespace), before);
  EXPECT_THAT(Problems(), ElementsAre(HasSubstr("two thirds of the CA's validity have passed")));
  ExpectServed();
}

// --- secrets stay secret

TEST_F(CertificatesTest, NoKeyIsLoggedOrPublished) {
  std::string path = testing::TempDir() + "gatehouse-certificates-log";
  int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  telemetry::Logger log(file, telemetry::Level::kDebug, clock_);
  CertificateManager manager(
      api_, Options(), [] { return true; }, clock_, log, crypto::SystemRandom());
  ASSERT_TRUE(manager.RunOnce().ok());
  clock_.Advance(61 * kDay);
  ASSERT_TRUE(manager.RunOnce().ok());
  std::string text(1 << 20, '\0');
  text.resize(static_cast<std::size_t>(std::max<ssize_t>(0, ::pread(file, text.data(), text.size(), 0))));
  ::close(file);
  ::unlink(path.c_str());
  EXPECT_THAT(text, HasSubstr("make the next CA"));
  EXPECT_THAT(text, Not(HasSubstr("PRIVATE")));
  for (const auto& object : server_.All(kube::kConfigMaps)) EXPECT_THAT(object.Write(), Not(HasSubstr("PRIVATE")));
  EXPECT_EQ(Entry(kube::kSecrets, "gatehouse-tls", "ca.key"), "");
}

// --- the thread

TEST_F(CertificatesTest, RunsWhenElectedAndStopsAtOnce) {
  leading_ = false;
  CertificateManager manager(
      api_, Options(), [this] { return leading_.load(); }, clock_, log_, crypto::SystemRandom());
  manager.Start();
  leading_ = true;
  manager.Kick();
  for (int i = 0; i < 2000 && !Trusted(CaBundle(kube::kMutatingWebhooks, "gatehouse", 0)); ++i) ::usleep(1000);
  ExpectServed();
  manager.Stop();
  manager.Stop();
}

TEST_F(CertificatesTest, AnOutageIsTriedAgain) {
  server_.Fail({.status = 503});
  CertificateManager manager(
      api_, Options(), [] { return true; }, clock_, log_, crypto::SystemRandom());
  EXPECT_EQ(manager.RunOnce().error().reason, Reason::kKubeUnavailable);
  EXPECT_TRUE(manager.RunOnce().ok());
  ExpectServed();
}

}  // namespace
}  // namespace gatehouse::webhook
