#include "common/codec/pem.h"

#include <gtest/gtest.h>

#include "common/base/limits.h"
#include "tests/common/base/outcome.h"

namespace gatehouse::codec {
namespace {

Result<std::vector<PemBlock>> Parse(std::string_view text) {
  return ParsePem(text, Reason::kKeyMalformed);
}

constexpr const char* kBlock = "-----BEGIN PUBLIC KEY-----\nAAEC\nAwQ=\n-----END PUBLIC KEY-----\n";

TEST(Pem, ReadsABlock) {
  auto blocks = Parse(kBlock);
  ASSERT_EQ(Explain(blocks), "ok");
  ASSERT_EQ(blocks->size(), 1U);
  EXPECT_EQ(blocks->at(0).label, "PUBLIC KEY");
  EXPECT_EQ(blocks->at(0).der, (Bytes{0, 1, 2, 3, 4}));
}

TEST(Pem, EncodingIsTheInverse) {
  for (std::size_t size = 1; size < 200; ++size) {
    Bytes der(size, static_cast<std::uint8_t>(size));
    auto blocks = Parse(EncodePem("CERTIFICATE", der));
    ASSERT_EQ(Explain(blocks), "ok");
    EXPECT_EQ(blocks->at(0).der, der);
    EXPECT_EQ(blocks->at(0).label, "CERTIFICATE");
  }
  // RFC 7468 section 2: 64 characters a line.
  EXPECT_EQ(EncodePem("X", Bytes(49, 0)), "-----BEGIN X-----\n" + std::string(64, 'A') + "\nAA==\n-----END X-----\n");
  EXPECT_EQ(EncodePem("X", Bytes(48, 0)), "-----BEGIN X-----\n" + std::string(64, 'A') + "\n-----END X-----\n");
}

TEST(Pem, Accepts) {
  const std::pair<const char*, std::string> cases[] = {
      {"WindowsLines", "-----BEGIN A-----\r\nAAEC\r\n-----END A-----\r\n"},
      {"NoFinalNewline", "-----BEGIN A-----\nAAEC\n-----END A-----"},
      {"OneLongLine", "-----BEGIN A-----\n" + std::string(400, 'A') + "\n-----END A-----\n"},
      {"BlankLinesAround", "\n \t\n" + std::string(kBlock) + "\n\n"},
      {"Comment", "# my key\n" + std::string(kBlock) + "# end\n"},
      {"LabelWithDigitsAndDash", "-----BEGIN X509-CRL 2-----\nAAEC\n-----END X509-CRL 2-----\n"},
  };
  for (const auto& [name, text] : cases) {
    auto blocks = Parse(text);
    EXPECT_EQ(Explain(blocks), "ok") << name;
    EXPECT_EQ(blocks.ok() ? blocks->size() : 0, 1U) << name;
  }
}

TEST(Pem, ReadsSeveralInOrder) {
  auto blocks = Parse(EncodePem("A", Bytes{1}) + EncodePem("B", Bytes{2}) + "# c\n\n" + EncodePem("A", Bytes{3}));
  ASSERT_EQ(Explain(blocks), "ok");
  ASSERT_EQ(blocks->size(), 3U);
  EXPECT_EQ(blocks->at(0).label + blocks->at(1).label + blocks->at(2).label, "ABA");
  EXPECT_EQ(blocks->at(2).der, Bytes{3});
}

TEST(Pem, Refuses) {
  auto body = [](const std::string& lines) { return "-----BEGIN A-----\n" + lines + "-----END A-----\n"; };
  const struct {
    const char* name;
    std::string text;
    const char* error;
  } cases[] = {
      {"Empty", "", "holds no PEM block (-----BEGIN ...-----)"},
      {"OnlyComments", "# x\n\n", "holds no PEM block (-----BEGIN ...-----)"},
      {"TextBefore", "subject=CN = x\n" + std::string(kBlock),
       "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"TextAfter", std::string(kBlock) + "x\n", "line 5: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"OnlyBase64", "AAEC\n", "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"IndentedBegin", " " + std::string(kBlock), "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"SpaceAfterBegin", "-----BEGIN A----- \nAAEC\n-----END A-----\n",
       "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"FourDashes", "----BEGIN A----\nAAEC\n----END A----\n",
       "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"NoLabel", "-----BEGIN -----\nAAEC\n-----END -----\n",
       "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"LabelEndsInSpace", "-----BEGIN A -----\nAAEC\n-----END A -----\n",
       "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"LabelWithTwoSpaces", "-----BEGIN A  B-----\nAAEC\n-----END A  B-----\n",
       "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"LabelNotAscii", "-----BEGIN \xc3\xa9-----\nAAEC\n-----END \xc3\xa9-----\n",
       "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"BeginAndBodyOnOneLine", "-----BEGIN A-----AAEC-----END A-----\n",
       "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"EndWithoutBegin", "-----END A-----\n", "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"NoEnd", "-----BEGIN A-----\nAAEC\n", "line 2: is the last, and the block A has no end"},
      {"OnlyBegin", "-----BEGIN A-----\n", "line 1: is the last, and the block A has no end"},
      {"OtherEnd", "-----BEGIN A-----\nAAEC\n-----END B-----\n", "line 3: should be -----END A-----"},
      {"TwoBegins", "-----BEGIN A-----\n-----BEGIN A-----\nAAEC\n-----END A-----\n",
       "line 2: should be -----END A-----"},
      {"EmptyBody", body(""), "line 2: ends an empty block"},
      {"BlankLineInside", body("AAEC\n\nAAEC\n"), "line 3: is empty, within a block"},
      {"CommentInside", body("AAEC\n# x\n"), "line 4: ends a block whose base64 is not padded to a multiple of four"},
      {"SpaceInside", body("AA EC AA\n"), "line 3: ends a block whose base64 has a character outside of its alphabet"},
      {"TrailingSpace", body("AAEC \n"), "line 3: ends a block whose base64 is not padded to a multiple of four"},
      {"PaddingInTheMiddle", body("AA==\nAAEC\n"),
       "line 4: ends a block whose base64 has a character outside of its alphabet"},
      {"NonCanonicalBits", body("AB==\n"), "line 3: ends a block whose base64 has non-zero bits after its end"},
      {"MissingPadding", body("AA\n"), "line 3: ends a block whose base64 is not padded to a multiple of four"},
      {"UrlAlphabet", body("-_8=\n"), "line 2: should be -----END A-----"},
      {"EncryptedKey", body("Proc-Type: 4,ENCRYPTED\nDEK-Info: x\n\nAAEC\n"),
       "line 2: is a PEM header: an encrypted key is not accepted"},
      {"Nul", std::string(kBlock) + std::string(1, '\0'),
       "line 5: is neither a line -----BEGIN ...----- nor a comment (#)"},
      {"Bom", "\xef\xbb\xbf" + std::string(kBlock), "line 1: is neither a line -----BEGIN ...----- nor a comment (#)"},
  };
  for (const auto& test : cases)
    EXPECT_EQ(Explain(Parse(test.text)), std::string(test.error) + " [key-malformed]") << test.name;
}

TEST(Pem, EveryTruncationIsRefused) {
  std::string text = kBlock;
  text.pop_back();  // the last line needs no end
  ASSERT_EQ(Explain(Parse(text)), "ok");
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_EQ(Outcome(Parse(text.substr(0, size))), "key-malformed") << size;
  }
}

TEST(Pem, ReasonIsTheCallers) {
  EXPECT_EQ(Outcome(ParsePem("x", Reason::kCertificateMalformed)), "certificate-malformed");
}

TEST(Pem, BlockLimit) {
  std::string text;
  for (std::size_t i = 0; i < limits::kPemBlocks; ++i) text += EncodePem("A", Bytes{1});
  EXPECT_EQ(Parse(text)->size(), limits::kPemBlocks);
  EXPECT_EQ(Explain(Parse(text + EncodePem("A", Bytes{1}))), "line 3001: more than 1000 PEM blocks [limit-exceeded]");
}

}  // namespace
}  // namespace gatehouse::codec
