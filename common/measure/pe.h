// EFI executables (PE/COFF): what firmware measures of one, and its sections. From bytes that nobody vouches for.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "common/base/types.h"

namespace gatehouse::measure {

struct PeSection {
  std::string name;            // up to 8 bytes, without NULs; may hold anything
  BytesView data;              // in the file
  std::uint32_t virtual_size;  // in memory: shorter, or longer and then zeros behind
  std::size_t offset;          // in the file
};

// Views are into the bytes that were parsed.
struct PeFile {
  BytesView bytes;
  std::vector<PeSection> sections;  // in the order of the section table
  std::size_t checksum;             // offset of CheckSum in the file
  std::size_t certificate_entry;    // offset of the data directory's entry "Certificate Table"; 0: it has none
  std::size_t headers;              // SizeOfHeaders
  BytesView certificates;           // the attribute certificate table; may be empty
};

// Refused is what would be measured differently by different firmware: sections that overlap each other or the headers
// or leave the file, a certificate table that is not the end of the file. Errors: kPeMalformed, kLimitExceeded.
[[nodiscard]] Result<PeFile> ParsePe(BytesView file);

// The digest of the image that firmware extends PCR 2 or 4 with (Microsoft, "Windows Authenticode Portable Executable
// Signature Format", "Calculating the PE Image Hash"; as EDK II does it: what is behind the last section is not
// padded).
[[nodiscard]] Bytes AuthenticodeHash(const PeFile& file, HashAlgorithm algorithm);

// Certificates that the file's signatures (WIN_CERT_TYPE_PKCS_SIGNED_DATA) bring. Nothing is verified: firmware did
// that, or did not.
struct PeSigner {
  Digest certificate;  // SHA-256 of its DER
  std::string subject;
  std::string issuer;
  bool signs;  // it is the one that a signature names as its signer's
};
// Errors: kPeMalformed.
[[nodiscard]] Result<std::vector<PeSigner>> PeSigners(const PeFile& file);

}  // namespace gatehouse::measure
