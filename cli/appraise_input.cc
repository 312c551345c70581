#include "cli/appraise_input.h"

#include <algorithm>
#include <charconv>
#include <fstream>

#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/crypto/der.h"

namespace gatehouse::cli {
namespace {

using evidence::tpm::Signature;

Error Usage(std::string_view what) {
  return {Reason::kUsage, "--pcrs", std::string(what)};
}

Result<unsigned> ParseIndex(std::string_view text) {
  unsigned index = 0;
  const char* end = text.data() + text.size();
  auto [stop, error] = std::from_chars(text.data(), end, index);
  if (error != std::errc() || stop != end || index >= limits::kPcrCount) return Usage("a PCR is a number from 0 to 23");
  return index;
}

// "0-9,14"
Result<std::uint32_t> ParsePcrList(std::string_view text) {
  if (text == "all") return (std::uint32_t{1} << limits::kPcrCount) - 1;
  std::uint32_t pcrs = 0;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find(','));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const std::size_t dash = item.find('-');
    ASSIGN_OR_RETURN(const unsigned first, ParseIndex(item.substr(0, dash)));
    unsigned last = first;
    if (dash != std::string_view::npos) {
      ASSIGN_OR_RETURN(last, ParseIndex(item.substr(dash + 1)));
    }
    if (last < first) return Usage("a range of PCRs goes upwards");
    for (unsigned pcr = first; pcr <= last; ++pcr) pcrs |= std::uint32_t{1} << pcr;
  }
  if (pcrs == 0) return Usage("names no PCR");
  return pcrs;
}

Bytes TpmRsaSignature(Signature::Scheme scheme, HashAlgorithm hash, BytesView raw) {
  ByteWriter writer;
  writer.PutU16Be(evidence::tpm::AlgId(scheme));
  writer.PutU16Be(evidence::tpm::AlgId(hash));
  writer.PutSized16Be(raw);
  return std::move(writer).Finish();
}

Result<Bytes> TpmEcdsaSignature(HashAlgorithm hash, BytesView der) {
  crypto::DerReader outer(der, Reason::kSignatureMalformed, "signature");
  ASSIGN_OR_RETURN(crypto::DerReader numbers, outer.Enter(crypto::der::kSequence));
  RETURN_IF_ERROR(outer.ExpectEnd());
  ByteWriter writer;
  writer.PutU16Be(evidence::tpm::AlgId(Signature::Scheme::kEcdsa));
  writer.PutU16Be(evidence::tpm::AlgId(hash));
  for (int i = 0; i < 2; ++i) {
    ASSIGN_OR_RETURN(const auto number, numbers.Take(crypto::der::kInteger));
    BytesView value = number.content;
    if (value.size() > 1 && value.front() == 0) value = value.subspan(1);
    writer.PutSized16Be(value);
  }
  RETURN_IF_ERROR(numbers.ExpectEnd());
  return std::move(writer).Finish();
}

constexpr std::array<HashAlgorithm, 3> kHashes = {HashAlgorithm::kSha256, HashAlgorithm::kSha384,
                                                  HashAlgorithm::kSha512};

}  // namespace

Result<evidence::tpm::PcrSelections> ParseSelections(std::string_view text) {
  evidence::tpm::PcrSelections selections;
  while (!text.empty()) {
    const std::string_view item = text.substr(0, text.find('+'));
    text.remove_prefix(std::min(text.size(), item.size() + 1));
    const std::size_t colon = item.find(':');
    if (colon == std::string_view::npos) return Usage("write BANK:PCRS, as in sha256:0-9,14+sha384:all");
    auto bank = ParseHashAlgorithm(item.substr(0, colon));
    if (!bank.ok()) return Usage("a bank is sha1, sha256, sha384 or sha512");
    for (const auto& known : selections) {
      if (known.bank == *bank) return Usage("names a bank twice");
    }
    ASSIGN_OR_RETURN(const std::uint32_t pcrs, ParsePcrList(item.substr(colon + 1)));
    selections.push_back({*bank, pcrs});
  }
  if (selections.empty()) return Usage("is empty");
  return selections;
}

Result<std::vector<Bytes>> ReadSignatures(const std::string& file, const crypto::PublicKey& key) {
  ASSIGN_OR_RETURN(Bytes bytes, ReadFile(file, limits::kTpmStructureBytes));
  const bool rsa = key.type() == crypto::KeyType::kRsa;
  const bool plain = rsa ? bytes.size() == (key.bits() + 7) / 8 : !bytes.empty() && bytes.front() == 0x30;
  if (!plain) return std::vector<Bytes>{std::move(bytes)};
  std::vector<Bytes> meant;
  for (const HashAlgorithm hash : kHashes) {
    if (rsa) {
      meant.push_back(TpmRsaSignature(Signature::Scheme::kRsaSsa, hash, bytes));
      meant.push_back(TpmRsaSignature(Signature::Scheme::kRsaPss, hash, bytes));
    } else {
      ASSIGN_OR_RETURN(Bytes made, TpmEcdsaSignature(hash, bytes));
      meant.push_back(std::move(made));
    }
  }
  return meant;
}

Result<AttestationKeyFile> ReadAttestationKey(const std::string& file) {
  ASSIGN_OR_RETURN(const Bytes bytes, ReadFile(file, limits::kCertificateBytes));
  const std::string_view text = AsText(bytes);
  if (text.find("-----BEGIN CERTIFICATE") != std::string_view::npos) {
    ASSIGN_OR_RETURN(const auto certificates, crypto::Certificate::ListFromPem(text));
    if (certificates.size() != 1) return Error{Reason::kUsage, file, "holds more than one certificate"};
    ASSIGN_OR_RETURN(auto key, certificates.front().Key());
    return AttestationKeyFile{std::move(key), std::nullopt};
  }
  if (text.starts_with("-----BEGIN")) {
    ASSIGN_OR_RETURN(auto key, crypto::PublicKey::FromPem(text));
    return AttestationKeyFile{std::move(key), std::nullopt};
  }
  auto area = evidence::tpm::ParsePublic2B(bytes);
  if (!area.ok()) area = evidence::tpm::ParsePublic(bytes);
  if (!area.ok()) return area.error().In(file);
  ASSIGN_OR_RETURN(auto key, verify::tpm::ToPublicKey(*area));
  return AttestationKeyFile{std::move(key), *std::move(area)};
}

Result<evidence::tpm::PcrValues> ParsePcrFile(BytesView file) {
  constexpr std::size_t kSlots = 16;        // of TPML_PCR_SELECTION
  constexpr std::size_t kListDigests = 8;   // of TPML_DIGEST
  constexpr std::size_t kDigestBytes = 64;  // of TPM2B_DIGEST
  ByteReader reader(file, Reason::kEvidenceMalformed, "PCR values");
  std::vector<std::pair<HashAlgorithm, unsigned>> order;
  ASSIGN_OR_RETURN(const std::uint32_t banks, reader.TakeU32Le());
  if (banks > limits::kPcrBanks) return reader.Fail("too many banks");
  for (std::size_t i = 0; i < kSlots; ++i) {
    ASSIGN_OR_RETURN(const std::uint16_t algorithm, reader.TakeU16Le());
    ASSIGN_OR_RETURN(const std::uint8_t size, reader.TakeU8());
    ASSIGN_OR_RETURN(const BytesView bits, reader.Take(3));
    ASSIGN_OR_RETURN(const BytesView padding, reader.Take(2));
    static_cast<void>(padding);
    if (i >= banks) continue;
    const auto bank = evidence::tpm::HashFromAlgId(algorithm);
    if (!bank || size != 3) return reader.Fail("a bank that is not known");
    for (unsigned pcr = 0; pcr < limits::kPcrCount; ++pcr) {
      if (((bits[pcr / 8] >> (pcr % 8)) & 1U) != 0) order.emplace_back(*bank, pcr);
    }
  }
  evidence::tpm::PcrValues values;
  ASSIGN_OR_RETURN(const std::uint32_t lists, reader.TakeU32Le());
  if (lists > order.size()) return reader.Fail("too many lists of values");
  std::size_t next = 0;
  for (std::uint32_t list = 0; list < lists; ++list) {
    ASSIGN_OR_RETURN(const std::uint32_t count, reader.TakeU32Le());
    if (count > kListDigests) return reader.Fail("a list of more than eight values");
    for (std::size_t i = 0; i < kListDigests; ++i) {
      ASSIGN_OR_RETURN(const std::uint16_t size, reader.TakeU16Le());
      ASSIGN_OR_RETURN(const BytesView buffer, reader.Take(kDigestBytes));
      if (i >= count) continue;
      if (next >= order.size()) return reader.Fail("more values than PCRs");
      const auto [bank, pcr] = order[next++];
      if (size != DigestSize(bank)) return reader.Fail("a value that is not as long as its bank's");
      values[bank][pcr] = ToBytes(buffer.first(size));
    }
  }
  if (next != order.size()) return reader.Fail("fewer values than PCRs");
  RETURN_IF_ERROR(reader.ExpectEnd());
  return values;
}

Result<std::size_t> StreamImaLog(const std::string& file, evidence::ima::Encoding encoding, const TakeEntries& take) {
  if (encoding == evidence::ima::Encoding::kAscii) {
    ASSIGN_OR_RETURN(const Bytes text, ReadFile(file, limits::kImaLogBytes));
    ASSIGN_OR_RETURN(const Bytes binary, evidence::ima::AsciiToBinary(text));
    ASSIGN_OR_RETURN(const std::size_t taken, take(binary));
    return binary.size() - taken;
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return Error{Reason::kFileUnreadable, file, "cannot be opened"};
  Bytes buffer;
  constexpr std::size_t kPiece = 4 * limits::kMiB;
  for (;;) {
    const std::size_t kept = buffer.size();
    buffer.resize(kept + kPiece);
    stream.read(reinterpret_cast<char*>(buffer.data() + kept), static_cast<std::streamsize>(kPiece));
    buffer.resize(kept + static_cast<std::size_t>(stream.gcount()));
    const bool ended = !stream;
    if (buffer.empty()) return std::size_t{0};
    ASSIGN_OR_RETURN(const std::size_t taken, take(buffer));
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(taken));
    // An entry is smaller than a piece: what was not taken of a whole one is not wanted.
    if (ended || buffer.size() >= kPiece) return buffer.size();
  }
}

Result<evidence::ima::Encoding> EncodingOf(const std::string& file, const std::string& format) {
  if (!format.empty()) {
    auto named = evidence::ima::ParseEncoding(format);
    if (!named) return Error{Reason::kUsage, "--format", "must be little-endian, big-endian or ascii"};
    return *named;
  }
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return Error{Reason::kFileUnreadable, file, "cannot be opened"};
  Bytes beginning(limits::kKiB);
  stream.read(reinterpret_cast<char*>(beginning.data()), static_cast<std::streamsize>(beginning.size()));
  beginning.resize(static_cast<std::size_t>(stream.gcount()));
  return evidence::ima::GuessEncoding(beginning);
}

}  // namespace gatehouse::cli
