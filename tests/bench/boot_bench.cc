// A boot's event log of 64 kB: from its bytes to the appraisal, in three banks, beside raw EVP_Digest over the inputs
// that any verifier of it must hash: each extend, and each text or variable that its digest is of.
#include <benchmark/benchmark.h>
#include <openssl/evp.h>

#include <algorithm>

#include "common/appraisal/boot.h"
#include "common/appraisal/tpm.h"
#include "common/crypto/hash.h"
#include "common/evidence/eventlog/event_log.h"
#include "common/verify/replay/event_log.h"
#include "tests/fakes/boot_log.h"

namespace gatehouse::bench {
namespace {

constexpr std::size_t kLogBytes = 64 * limits::kKiB;
constexpr std::uint32_t kPcrs = 0x43FF;  // 0 to 9, 14
const std::vector<HashAlgorithm> kBanks = {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384};

// Shim and GRUB with Secure Boot, a dbx as of today, and as many commands of GRUB as fill the log: a distribution's
// menu has 40 to 300.
fakes::BootLog LargeBoot() {
  fakes::BootLog boot = fakes::SecureBootWithGrub(kBanks);
  std::vector<Bytes> forbidden;
  for (int i = 0; i < 371; ++i)
    forbidden.push_back(crypto::Hash(HashAlgorithm::kSha256, Bytes(4, static_cast<std::uint8_t>(i))));
  fakes::LoggedEvent& dbx = boot.Find(fakes::event_type::kEfiVariableDriverConfig, 7, 4);
  dbx.data = fakes::VariableData(fakes::kSecurityGuid, "dbx", fakes::HashList(forbidden));
  dbx.digests = boot.Digests(dbx.data);
  for (int i = 0; boot.Write().size() < kLogBytes; ++i) {
    boot.GrubCommand("menuentry Distribution number " + std::to_string(i) +
                     " --class gnu-linux --class os { load_video; insmod gzio; insmod part_gpt; insmod ext2; "
                     "search --no-floppy --fs-uuid --set=root fadc363a-fae5-4b46-9bf5-303a0043410b }");
  }
  return boot;
}

struct Fixture {
  Fixture() : boot(LargeBoot()), bytes(boot.Write()), quote(fakes::QuoteOf(boot, kPcrs)) {
    using claims::BootPart;
    policy.pcrs = kPcrs;
    policy.secure_boot = true;
    policy.required_words = {"ima_policy=tcb", "lockdown=integrity"};
    for (const BootPart part :
         {BootPart::kFirmware, BootPart::kBootVariables, BootPart::kDrivers, BootPart::kApplications,
          BootPart::kPartitions, BootPart::kLoaderFiles, BootPart::kMok}) {
      appraisal::Accepted& accepted = policy.accepted[part];
      for (const fakes::LoggedEvent& event : boot.events()) {
        accepted.digests.push_back(event.digests.at(HashAlgorithm::kSha256));
      }
      std::sort(accepted.digests.begin(), accepted.digests.end());
    }
    policy.accepted[BootPart::kLoaderCommands].any = true;
    policy.accepted[BootPart::kCommandLine].texts = {{"any text", [](std::string_view) { return true; }}};
  }
  fakes::BootLog boot;
  Bytes bytes;
  claims::VerifiedTpmClaims quote;
  appraisal::BootPolicy policy;
};

const Fixture& TheBoot() {
  static const Fixture fixture;
  return fixture;
}

void BootLogAppraised(benchmark::State& state) {
  const Fixture& boot = TheBoot();
  for (auto _ : state) {
    auto log = evidence::eventlog::ParseEventLog(boot.bytes);
    auto verified = verify::replay::EventLogVerifier::Verify(*log, boot.quote, {});
    const auto appraised = appraisal::AppraiseBoot(boot.policy, {}, *verified);
    if (!appraised.findings.empty()) state.SkipWithError(appraised.findings[0].detail.c_str());
  }
}
BENCHMARK(BootLogAppraised);

// What was hashed for the digest of an event, if its log has it.
BytesView Measured(const fakes::LoggedEvent& event) {
  constexpr std::size_t kGrubPrefix = std::string_view("grub_cmd: ").size();
  switch (event.pcr) {
    case 8:
      return BytesView(event.data).subspan(kGrubPrefix);
    case 4:
    case 7:
      return event.data;
    default:
      return {};
  }
}

void RawHashingOfBootLog(benchmark::State& state) {
  struct Input {
    const EVP_MD* md;
    Bytes data;
  };
  EVP_MD* digests[] = {EVP_MD_fetch(nullptr, "SHA1", nullptr), EVP_MD_fetch(nullptr, "SHA256", nullptr),
                       EVP_MD_fetch(nullptr, "SHA384", nullptr)};
  std::vector<Input> inputs;
  for (const fakes::LoggedEvent& event : TheBoot().boot.events()) {
    for (std::size_t bank = 0; bank < kBanks.size(); ++bank) {
      inputs.push_back({digests[bank], Bytes(2 * DigestSize(kBanks[bank]), 1)});
      if (const BytesView measured = Measured(event); !measured.empty()) {
        inputs.push_back({digests[bank], ToBytes(measured)});
      }
    }
  }
  unsigned char digest[EVP_MAX_MD_SIZE];
  for (auto _ : state) {
    for (const Input& input : inputs) {
      if (EVP_Digest(input.data.data(), input.data.size(), digest, nullptr, input.md, nullptr) != 1) {
        state.SkipWithError("no digest");
      }
      benchmark::DoNotOptimize(digest);
    }
  }
  for (EVP_MD* md : digests) EVP_MD_free(md);
}
BENCHMARK(RawHashingOfBootLog);

}  // namespace
}  // namespace gatehouse::bench

BENCHMARK_MAIN();
