#include "tests/fakes/ima_log.h"

#include <array>

#include "common/base/encoding.h"
#include "common/crypto/hash.h"

namespace gatehouse::fakes {
namespace {

constexpr std::array kBanks = {HashAlgorithm::kSha1, HashAlgorithm::kSha256, HashAlgorithm::kSha384,
                               HashAlgorithm::kSha512};

// builtin_templates of ima_template.c; another name is a format itself.
std::string FormatOf(std::string_view template_name) {
  static const std::map<std::string, std::string, std::less<>> builtin = {
      {"ima", "d|n"},
      {"ima-ng", "d-ng|n-ng"},
      {"ima-ngv2", "d-ngv2|n-ng"},
      {"ima-sig", "d-ng|n-ng|sig"},
      {"ima-sigv2", "d-ngv2|n-ng|sig"},
      {"ima-buf", "d-ng|n-ng|buf"},
      {"ima-modsig", "d-ng|n-ng|sig|d-modsig|modsig"},
      {"evm-sig", "d-ng|n-ng|evmsig|xattrnames|xattrlengths|xattrvalues|iuid|igid|imode"},
  };
  const auto found = builtin.find(template_name);
  return found == builtin.end() ? std::string(template_name) : found->second;
}

std::vector<std::string> Split(const std::string& format) {
  std::vector<std::string> ids(1);
  for (const char c : format) {
    if (c == '|') {
      ids.emplace_back();
    } else {
      ids.back().push_back(c);
    }
  }
  return ids;
}

struct Field {
  Bytes binary;
  std::string ascii;
};

Field Digest(const ImaLog::Entry& entry, std::string_view type, const Bytes& digest) {
  const std::string prefix =
      std::string(type) + (entry.algorithm_text.empty() ? std::string(Name(entry.algorithm)) : entry.algorithm_text) +
      ":";
  Field field{ToBytes(prefix), prefix + EncodeHex(digest)};
  field.binary.push_back(0);
  Append(field.binary, digest);
  return field;
}

Field Text(std::string_view text) {
  Field field{ToBytes(text), std::string(text)};
  // "Replace all space characters with underscore for event names and strings" (ima_write_template_field_data) is the
  // kernel's: here a test gets what it asks for.
  field.binary.push_back(0);
  return field;
}

Field MakeField(const std::string& id, const ImaLog::Entry& entry) {
  if (id == "d") return {entry.digest, EncodeHex(entry.digest)};
  if (id == "d-ng") return Digest(entry, "", entry.digest);
  if (id == "d-ngv2") return Digest(entry, entry.verity ? "verity:" : "ima:", entry.digest);
  if (id == "n" || id == "n-ng") return Text(entry.path);
  if (id == "sig") return {entry.signature, EncodeHex(entry.signature)};
  if (id == "modsig") return {entry.appended_signature, EncodeHex(entry.appended_signature)};
  if (id == "d-modsig") {
    return entry.appended_digest.empty() ? Field{} : Digest(entry, "", entry.appended_digest);
  }
  if (id == "buf") return {entry.buffer, EncodeHex(entry.buffer)};
  if (id == "evmsig") return {entry.evm_signature, EncodeHex(entry.evm_signature)};
  if (id == "iuid" || id == "igid") return {Bytes(4), "0"};
  if (id == "imode") return {Bytes{0xED, 0x81}, "33261"};
  return {};
}

}  // namespace

ImaLog::ImaLog(Options options) : options_(std::move(options)) {}

void ImaLog::PutU32(Bytes& to, std::size_t value) const {
  for (unsigned i = 0; i < 4; ++i) {
    const unsigned shift = 8 * (options_.big_endian ? 3 - i : i);
    to.push_back(static_cast<std::uint8_t>(value >> shift));
  }
}

ImaLog& ImaLog::AddFields(std::string_view template_name, const std::vector<Bytes>& fields, bool framed,
                          std::uint32_t pcr, bool violation) {
  Bytes data;
  for (const Bytes& field : fields) {
    if (framed) PutU32(data, field.size());
    Append(data, field);
  }
  // "ima": digest ‖ length ‖ name without its NUL in the log, and digest ‖ name padded to 256 bytes in the hash.
  Bytes hashed = data;
  const bool legacy = template_name == "ima" && fields.size() == 2;
  if (legacy) {
    Bytes name = fields[1];
    if (!name.empty()) name.pop_back();
    data = fields[0];
    PutU32(data, name.size());
    Append(data, name);
    name.resize(256);
    hashed = fields[0];
    Append(hashed, name);
  }
  const Bytes template_digest = violation ? Bytes(20) : crypto::Hash(HashAlgorithm::kSha1, hashed);
  PutU32(bytes_, pcr);
  Append(bytes_, template_digest);
  PutU32(bytes_, template_name.size());
  Append(bytes_, AsBytes(template_name));
  if (!legacy) PutU32(bytes_, data.size());
  Append(bytes_, data);
  ends_.push_back(bytes_.size());
  std::map<HashAlgorithm, Bytes> extended;
  for (const HashAlgorithm bank : kBanks) {
    Bytes value = options_.padded.contains(bank) ? template_digest : crypto::Hash(bank, hashed);
    value.resize(DigestSize(bank));
    if (violation) value.assign(DigestSize(bank), 0xFF);
    extended[bank] = std::move(value);
  }
  extended_.push_back(std::move(extended));
  return *this;
}

ImaLog& ImaLog::Add(const Entry& entry) {
  std::vector<Bytes> fields;
  std::string texts;
  for (const std::string& id : Split(FormatOf(entry.template_name))) {
    Field field = MakeField(id, entry);
    fields.push_back(std::move(field.binary));
    texts += " " + field.ascii;
  }
  const std::size_t start = bytes_.size();
  AddFields(entry.template_name, fields, true, entry.pcr, entry.violation);
  // "%2d ", the template digest, " %s", and " " with each field; an empty one is the blank alone.
  const std::string pcr = std::to_string(entry.pcr);
  ascii_ += (pcr.size() < 2 ? " " + pcr : pcr) + " " + EncodeHex(BytesView(bytes_).subspan(start + 4, 20)) + " " +
            entry.template_name + texts + "\n";
  return *this;
}

ImaLog& ImaLog::BootAggregate(const std::map<HashAlgorithm, std::map<unsigned, Bytes>>& pcrs, bool seven) {
  const HashAlgorithm algorithm = options_.template_name == "ima" ? HashAlgorithm::kSha1 : options_.algorithm;
  Bytes values;
  for (unsigned pcr = 0; pcr < (seven || algorithm == HashAlgorithm::kSha1 ? 8U : 10U); ++pcr) {
    Append(values, pcrs.at(algorithm).at(pcr));
  }
  return FileDigest("boot_aggregate", crypto::Hash(algorithm, values));
}

ImaLog& ImaLog::File(std::string_view path, std::string_view content, BytesView signature) {
  const HashAlgorithm algorithm = options_.template_name == "ima" ? HashAlgorithm::kSha1 : options_.algorithm;
  return FileDigest(path, crypto::Hash(algorithm, AsBytes(content)), signature);
}

ImaLog& ImaLog::FileDigest(std::string_view path, BytesView digest, BytesView signature) {
  return Add({.template_name = options_.template_name,
              .path = std::string(path),
              .algorithm = options_.algorithm,
              .digest = ToBytes(digest),
              .signature = ToBytes(signature)});
}

ImaLog& ImaLog::Violation(std::string_view path) {
  const HashAlgorithm algorithm = options_.template_name == "ima" ? HashAlgorithm::kSha1 : options_.algorithm;
  return Add({.template_name = options_.template_name,
              .path = std::string(path),
              .algorithm = algorithm,
              .digest = Bytes(DigestSize(algorithm)),
              .violation = true});
}

ImaLog& ImaLog::Buffer(std::string_view name, BytesView data) {
  return Add({.template_name = "ima-buf",
              .path = std::string(name),
              .algorithm = options_.algorithm,
              .digest = crypto::Hash(options_.algorithm, data),
              .buffer = ToBytes(data)});
}

ImaLog& ImaLog::Files(std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::string number = std::to_string(this->count());
    File("/usr/bin/file-" + number, "content " + number);
  }
  return *this;
}

Bytes ImaLog::BytesFrom(std::size_t entry) const {
  return ToBytes(BytesView(bytes_).subspan(Offset(entry)));
}

Bytes ImaLog::BytesOf(std::size_t entry, std::size_t entries) const {
  return ToBytes(BytesView(bytes_).subspan(Offset(entry), Offset(entry + entries) - Offset(entry)));
}

Bytes ImaLog::PcrAt(std::size_t entries, HashAlgorithm bank) const {
  Bytes pcr(DigestSize(bank));
  for (std::size_t i = 0; i < entries; ++i) {
    Append(pcr, extended_.at(i).at(bank));
    pcr = crypto::Hash(bank, pcr);
  }
  return pcr;
}

namespace {

// show_template_data_ascii: a digest behind its "algorithm:" and a NUL, a text up to its NUL, a number, or hex.
std::string FieldText(const std::string& id, BytesView field) {
  if (field.empty()) return "";
  const std::string_view text = AsText(field);
  if (id == "d-ng" || id == "d-ngv2" || id == "d-modsig") {
    const std::size_t nul = text.find('\0');
    return std::string(text.substr(0, nul)) + EncodeHex(field.subspan(nul + 1));
  }
  if (id == "n" || id == "n-ng" || id == "xattrnames") return std::string(text.substr(0, text.find('\0')));
  if (id != "iuid" && id != "igid" && id != "imode") return EncodeHex(field);
  std::uint64_t number = 0;
  for (std::size_t i = field.size(); i > 0; --i) number = number << 8 | field[i - 1];
  return std::to_string(number);
}

BytesView TakeSized(ByteReader& reader) {
  return reader.Take(reader.TakeU32Le().value()).value();
}

}  // namespace

std::string ImaAscii(BytesView log) {
  ByteReader reader(log, Reason::kImaLogMalformed, "log of a test");
  std::string ascii;
  while (reader.remaining() > 0) {
    const std::string pcr = std::to_string(reader.TakeU32Le().value());
    ascii += (pcr.size() < 2 ? " " : "") + pcr + " " + EncodeHex(reader.Take(20).value()) + " ";
    const std::string name(AsText(TakeSized(reader)));
    ascii += name;
    const bool legacy = name == "ima";
    if (!legacy) (void)reader.TakeU32Le().value();
    for (const std::string& id : Split(FormatOf(name))) {
      const BytesView field = legacy && id == "d" ? reader.Take(20).value() : TakeSized(reader);
      ascii += " " + FieldText(id, field);
    }
    ascii += "\n";
  }
  return ascii;
}

Bytes ImaLog::Extended(std::size_t entry, HashAlgorithm bank) const {
  return extended_.at(entry).at(bank);
}

}  // namespace gatehouse::fakes
