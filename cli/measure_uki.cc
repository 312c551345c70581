// gatehouse measure uki FILE: what will be measured when it boots.
#include <iostream>

#include "cli/evidence.h"
#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/measure/uki.h"

namespace gatehouse::cli {
namespace {

using Digests = std::map<HashAlgorithm, Bytes>;

void WriteDigests(codec::JsonWriter& json, std::string_view key, const Digests& digests) {
  json.Key(key).BeginObject();
  for (const auto& [bank, digest] : digests) json.Member(Name(bank), EncodeHex(digest));
  json.EndObject();
}

void PrintJson(const measure::Uki& uki, const std::vector<measure::PeSigner>& signers) {
  codec::JsonWriter json;
  json.BeginObject();
  if (uki.stub_version) json.Key("stubVersion").Uint(*uki.stub_version);
  WriteDigests(json, "authenticode", uki.authenticode);
  WriteDigests(json, "kernelAuthenticode", uki.kernel_authenticode);
  json.Key("sections").BeginArray();
  for (const measure::UkiSection& section : uki.sections) {
    json.BeginObject().Member("name", section.name).Key("size").Uint(section.size);
    WriteDigests(json, "nameDigests", section.name_digests);
    WriteDigests(json, "digests", section.digests);
    json.EndObject();
  }
  json.EndArray();
  WriteDigests(json, "pcr4", uki.pcr4);
  WriteDigests(json, "pcr11", uki.pcr11);
  if (!uki.command_line_digest.empty()) {
    json.Member("commandLine", uki.command_line);
    json.Member("commandLineDigest", EncodeHex(uki.command_line_digest));
  }
  json.Key("signers").BeginArray();
  for (const measure::PeSigner& signer : signers) {
    json.BeginObject().Member("certificate", signer.certificate.text()).Member("subject", signer.subject);
    json.Member("issuer", signer.issuer).Key("signs").Bool(signer.signs).EndObject();
  }
  json.EndArray().Key("notes").BeginArray();
  for (const std::string& note : uki.notes) json.String(note);
  json.EndArray().EndObject();
  std::cout << std::move(json).Finish() << "\n";
}

void PrintDigests(std::string_view what, const Digests& digests) {
  for (const auto& [bank, digest] : digests) {
    std::cout << "  " << what << " " << Name(bank) << ":" << EncodeHex(digest) << "\n";
  }
}

void PrintText(const measure::Uki& uki, const std::vector<measure::PeSigner>& signers) {
  std::cout << "Unified kernel image";
  if (uki.stub_version) std::cout << ", systemd-stub " << *uki.stub_version;
  std::cout << "\nAuthenticode (PCR 4: list them under applications)\n";
  PrintDigests("file  ", uki.authenticode);
  PrintDigests("kernel", uki.kernel_authenticode);
  std::cout << "Sections (PCR 11, in this order)\n";
  for (const measure::UkiSection& section : uki.sections) {
    std::cout << "  " << Printable(section.name) << ", " << section.size
              << " bytes, sha256:" << EncodeHex(section.digests.at(HashAlgorithm::kSha256)) << "\n";
  }
  std::cout << "Expected PCR 4, if the firmware starts it from a boot option and nothing before it\n";
  PrintDigests("pcr 4 ", uki.pcr4);
  std::cout << "Expected PCR 11, before systemd-pcrphase\n";
  PrintDigests("pcr 11", uki.pcr11);
  if (!uki.command_line_digest.empty()) {
    std::cout << "Command line (PCR 9, as the kernel's EFI stub measures it: list it under commandLine)\n  '"
              << Printable(uki.command_line, limits::kCommandLineBytes)
              << "'\n  sha256:" << EncodeHex(uki.command_line_digest) << "\n";
  }
  std::cout << "Signatures (not verified)\n";
  if (signers.empty()) std::cout << "  none\n";
  for (const measure::PeSigner& signer : signers) {
    std::cout << "  " << (signer.signs ? "signer " : "beside ") << signer.certificate.text() << " "
              << Printable(signer.subject) << "\n";
  }
  for (const std::string& note : uki.notes) std::cout << "Note: " << note << "\n";
}

Status Measure(const MeasureOptions& options) {
  ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(options.file, limits::kPeBytes));
  ASSIGN_OR_RETURN(const measure::PeFile file, measure::ParsePe(bytes));
  ASSIGN_OR_RETURN(const measure::Uki uki, measure::MeasureUki(file));
  ASSIGN_OR_RETURN(const std::vector<measure::PeSigner> signers, measure::PeSigners(file));
  if (options.json) {
    PrintJson(uki, signers);
  } else {
    PrintText(uki, signers);
  }
  return Ok();
}

}  // namespace

int MeasureUki(const MeasureOptions& options) {
  Status done = Measure(options);
  if (done.ok()) return kAdmitted;
  PrintError(done.error(), options.json);
  return done.error().reason == Reason::kFileUnreadable ? kUsageOrPolicy : kRefused;
}

}  // namespace gatehouse::cli
