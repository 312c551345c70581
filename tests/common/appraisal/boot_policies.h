// A policy that lists exactly what the good boots of fakes::BootLog hold, and what is appraised by it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "common/appraisal/boot.h"
#include "common/appraisal/tpm.h"
#include "common/crypto/hash.h"
#include "tests/common/verify/replay/boot_fixture.h"

namespace gatehouse::appraisal {

inline constexpr std::uint32_t kGrubPcrs = 0x43FF;  // 0 to 9, 14
inline constexpr std::uint32_t kUkiPcrs = 0x3AFF;   // 0 to 7, 9, 11 to 13

inline Bytes Sha256(std::string_view text) {
  return crypto::Hash(HashAlgorithm::kSha256, AsBytes(text));
}

inline TextRule Exactly(std::string_view text) {
  return {"'" + std::string(text) + "'",
          [wanted = std::string(text)](std::string_view found) { return found == wanted; }};
}

inline Accepted Digests(const std::vector<std::string_view>& measured) {
  Accepted accepted;
  for (const std::string_view text : measured) accepted.digests.push_back(Sha256(text));
  std::sort(accepted.digests.begin(), accepted.digests.end());
  return accepted;
}

inline Accepted Texts(const std::vector<std::string_view>& texts) {
  Accepted accepted;
  for (const std::string_view text : texts) accepted.texts.push_back(Exactly(text));
  return accepted;
}

inline Accepted Any() {
  Accepted accepted;
  accepted.any = true;
  return accepted;
}

inline Digest CertificateDigest(std::string_view name) {
  return crypto::Sha256Digest(fakes::CertificateLike(name));
}

// Of the firmware of both boots.
inline BootPolicy FirmwarePolicy() {
  using claims::BootPart;
  BootPolicy policy;
  policy.secure_boot = true;
  policy.accepted[BootPart::kFirmware] = Digests({"firmware volume"});
  policy.accepted[BootPart::kFirmware].texts.push_back(Exactly("Firmware 1.2.3"));
  policy.accepted[BootPart::kBootVariables] = Any();
  policy.accepted[BootPart::kDrivers] = Digests({"option rom"});
  policy.accepted[BootPart::kPartitions] = Digests({fakes::kGptData});
  return policy;
}

inline BootPolicy GrubPolicy() {
  using claims::BootPart;
  BootPolicy policy = FirmwarePolicy();
  policy.pcrs = kGrubPcrs;
  policy.accepted[BootPart::kApplications] = Digests({"shim", "grub", "kernel"});
  policy.accepted[BootPart::kLoaderCommands] =
      Texts({"set timeout=0", "linux /vmlinuz root=/dev/nvme0n1 ima_policy=tcb lockdown=integrity quiet",
             "initrd /initrd.img"});
  policy.accepted[BootPart::kLoaderFiles] = Digests({"the configuration", "kernel file", "initrd file"});
  policy.accepted[BootPart::kCommandLine] = Texts({fakes::kGrubCommandLineText});
  policy.accepted[BootPart::kMok] = Digests({"list", "forbidden", "\x01"});
  return policy;
}

inline BootPolicy UkiPolicy() {
  using claims::BootPart;
  BootPolicy policy = FirmwarePolicy();
  policy.pcrs = kUkiPcrs;
  policy.accepted[BootPart::kApplications] = Digests({"uki", "inner kernel"});
  policy.accepted[BootPart::kInitrds] = Digests({"initrd of the UKI"});
  policy.accepted[BootPart::kCommandLine] = Texts({fakes::kKernelArguments});
  return policy;
}

inline claims::VerifiedBootLog Verified(const fakes::BootLog& reported, const claims::VerifiedTpmClaims& quote,
                                        std::string_view hint = fakes::kKernelArguments) {
  auto log = verify::replay::VerifyBoot(reported, quote, hint);
  EXPECT_TRUE(log.ok()) << log.error().ToString();
  return std::move(log).value();
}

inline claims::VerifiedBootLog Verified(const fakes::BootLog& boot) {
  return Verified(boot, fakes::QuoteOf(boot));
}

// "boot-failed: boot event 3 (pcr 4)", in the order in which they were found.
inline std::vector<std::string> Found(const BootAppraisal& appraisal) {
  std::vector<std::string> found;
  for (const Finding& finding : appraisal.findings) {
    EXPECT_FALSE(finding.detail.empty());
    found.push_back(std::string(Token(finding.reason)) + ": " + finding.where);
  }
  return found;
}

inline std::vector<std::string> Judge(const BootPolicy& policy, const claims::VerifiedBootLog& log,
                                      const std::vector<const ReferenceSet*>& sets = {}) {
  return Found(AppraiseBoot(policy, sets, log));
}

inline std::string At(Reason reason, std::size_t index, unsigned pcr) {
  // The Spec ID event comes first.
  return std::string(Token(reason)) + ": boot event " + std::to_string(index + 1) + " (pcr " + std::to_string(pcr) +
         ")";
}

}  // namespace gatehouse::appraisal
