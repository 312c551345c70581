// IMA measurement logs as a kernel writes them (security/integrity/ima/ima_fs.c, ima_template_lib.c), with what it
// extends PCR 10 by. Everything is right by default; a test makes one thing wrong.
//
//   ImaLog log;
//   log.BootAggregate(pcrs);                      // {HashAlgorithm::kSha256: {0: …, …, 9: …}}
//   log.File("/usr/bin/bash", "what is in it");   // digest: of that text
//   log.Violation("/var/log/syslog");
//   log.bytes(); log.Pcr(HashAlgorithm::kSha256); log.BytesFrom(1); log.PcrAt(1, HashAlgorithm::kSha256);
//
// Or entry by entry: ImaLog::Entry, Add().
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "common/base/types.h"

namespace gatehouse::fakes {

class ImaLog {
 public:
  struct Options {
    bool big_endian = false;
    std::string template_name = "ima-ng";  // of files and violations: ima, ima-ng, ima-ngv2, ima-sig, ima-sigv2,
                                           // ima-modsig, evm-sig, or a format ("d-ng|n-ng|sig")
    HashAlgorithm algorithm = HashAlgorithm::kSha256;  // of files; the template "ima" always has SHA-1
    std::set<HashAlgorithm> padded = {};               // banks that are extended with SHA-1 padded with zeros
  };
  ImaLog() : ImaLog(Options()) {}
  explicit ImaLog(Options options);

  // What one entry is made of; which of it is written, its template says.
  struct Entry {
    std::string template_name;
    std::string path;
    HashAlgorithm algorithm = HashAlgorithm::kSha256;
    std::string algorithm_text = {};  // instead of the name of `algorithm`: "sm3", "sha256:"…
    Bytes digest = {};
    bool verity = false;  // of d-ngv2
    Bytes signature = {}, appended_signature = {}, appended_digest = {}, buffer = {}, evm_signature = {};
    bool violation = false;
    std::uint32_t pcr = 10;
  };
  ImaLog& Add(const Entry& entry);
  // Any fields, each with its length before it; or, with `framed` unset, `fields` as they are one after another.
  ImaLog& AddFields(std::string_view template_name, const std::vector<Bytes>& fields, bool framed = true,
                    std::uint32_t pcr = 10, bool violation = false);

  // The first entry: H(PCR 0 to 9) of the bank `algorithm`; SHA-1, or `seven`: H(PCR 0 to 7).
  ImaLog& BootAggregate(const std::map<HashAlgorithm, std::map<unsigned, Bytes>>& pcrs, bool seven = false);
  ImaLog& File(std::string_view path, std::string_view content, BytesView signature = {});
  ImaLog& FileDigest(std::string_view path, BytesView digest, BytesView signature = {});
  ImaLog& Violation(std::string_view path);
  ImaLog& Buffer(std::string_view name, BytesView data);  // ima-buf
  // `count` files, /usr/bin/file-N with the text "content N", N from the present count.
  ImaLog& Files(std::size_t count);

  [[nodiscard]] std::size_t count() const { return ends_.size(); }
  [[nodiscard]] const Bytes& bytes() const { return bytes_; }
  [[nodiscard]] std::size_t Offset(std::size_t entry) const { return entry == 0 ? 0 : ends_.at(entry - 1); }
  [[nodiscard]] Bytes BytesFrom(std::size_t entry) const;                     // from that entry to the end
  [[nodiscard]] Bytes BytesOf(std::size_t entry, std::size_t entries) const;  // so many from that one on
  [[nodiscard]] Bytes Pcr(HashAlgorithm bank) const { return PcrAt(count(), bank); }
  [[nodiscard]] Bytes PcrAt(std::size_t entries, HashAlgorithm bank) const;  // after so many entries
  // What is extended in each bank, entry by entry, for a TPM of a test to follow.
  [[nodiscard]] Bytes Extended(std::size_t entry, HashAlgorithm bank) const;
  // As ascii_runtime_measurements has it; little-endian logs only.
  [[nodiscard]] const std::string& ascii() const { return ascii_; }

 private:
  void PutU32(Bytes& to, std::size_t value) const;
  Options options_;
  Bytes bytes_;
  std::string ascii_;
  std::vector<std::size_t> ends_;
  std::vector<std::map<HashAlgorithm, Bytes>> extended_;
};

// A little-endian binary log as ima_ascii_measurements_show prints it; precondition: frames of known fields.
[[nodiscard]] std::string ImaAscii(BytesView log);

}  // namespace gatehouse::fakes
