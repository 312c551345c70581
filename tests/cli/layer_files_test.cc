// What becomes of an image's layers: as a container runtime would unpack them, and nothing that one would not.
#include "cli/layer_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <algorithm>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/crypto/hash.h"

namespace gatehouse::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::string_view kTar = "application/vnd.oci.image.layer.v1.tar";
constexpr std::string_view kTarGzip = "application/vnd.oci.image.layer.v1.tar+gzip";
const std::string kElf =
    "\x7f"
    "ELF and more";

// A tar archive, entry by entry.
class Tar {
 public:
  struct Header {
    char type = '0';
    unsigned mode = 0644;
    std::string link = {};
    std::string prefix = {};
    std::string magic = std::string("ustar\00000", 8);
  };
  Tar& Add(const std::string& name, const std::string& content, const Header& header) {
    std::string block(512, '\0');
    auto put = [&](std::size_t offset, const std::string& text) { block.replace(offset, text.size(), text); };
    put(0, name.substr(0, 100));
    put(100, Octal(header.mode, 7));
    put(124, Octal(content.size(), 11));
    put(148, "        ");
    block[156] = header.type;
    put(157, header.link.substr(0, 100));
    put(257, header.magic);
    put(345, header.prefix);
    unsigned sum = 0;
    for (char c : block) sum += static_cast<unsigned char>(c);
    put(148, Octal(sum, 6) + std::string("\0 ", 2));
    bytes_ += block + content + std::string((512 - content.size() % 512) % 512, '\0');
    return *this;
  }
  Tar& File(const std::string& name, const std::string& content, unsigned mode = 0755) {
    Header header;
    header.mode = mode;
    return Add(name, content, header);
  }
  Tar& Of(char type, const std::string& name, const std::string& link = "", const std::string& content = "") {
    Header header;
    header.type = type;
    header.link = link;
    return Add(name, content, header);
  }
  Tar& Link(const std::string& name, const std::string& target) { return Of('2', name, target); }
  Tar& HardLink(const std::string& name, const std::string& target) { return Of('1', name, target); }
  Tar& Pax(const std::string& key, const std::string& value) {
    std::size_t size = key.size() + value.size() + 3;
    while (std::to_string(size).size() + key.size() + value.size() + 3 != size) ++size;
    return Of('x', "PaxHeaders/x", "", std::to_string(size) + " " + key + "=" + value + "\n");
  }
  [[nodiscard]] Bytes Open() const { return ToBytes(bytes_); }  // without its end
  [[nodiscard]] Bytes Done() const { return ToBytes(bytes_ + std::string(1024, '\0')); }

 private:
  static std::string Octal(std::size_t value, std::size_t width) {
    std::string digits;
    for (; digits.size() < width; value /= 8) digits.insert(digits.begin(), static_cast<char>('0' + value % 8));
    return digits;
  }
  std::string bytes_;
};

Bytes Gzip(BytesView data) {
  z_stream stream{};
  EXPECT_EQ(deflateInit2(&stream, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
  Bytes out(deflateBound(&stream, data.size()) + 64);
  Bytes copy = ToBytes(data);
  stream.next_in = copy.data();
  stream.avail_in = static_cast<uInt>(copy.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

std::vector<std::string> PathsOf(const ImageFiles& files) {
  std::vector<std::string> paths;
  for (const auto& [path, digest] : files.Runnable()) paths.push_back(path);
  return paths;
}

// The files that can be run after these layers.
std::vector<std::string> After(const std::vector<Tar>& layers) {
  ImageFiles files;
  for (const Tar& layer : layers) {
    const Status added = files.AddLayer(kTar, layer.Done());
    EXPECT_TRUE(added.ok()) << added.error().ToString();
  }
  return PathsOf(files);
}

void ExpectRefused(BytesView layer, const std::string& part, Reason reason = Reason::kManifestMalformed,
                   std::string_view type = kTar) {
  ImageFiles files;
  const Status added = files.AddLayer(type, layer);
  ASSERT_FALSE(added.ok()) << part;
  EXPECT_EQ(Token(added.error().reason), Token(reason)) << added.error().ToString();
  EXPECT_THAT(added.error().ToString(), HasSubstr(part));
}

TEST(LayerFiles, WhatCanBeRunHasItsPathAndDigest) {
  ImageFiles files;
  Tar tar;
  tar.Of('5', "usr/")
      .File("usr/program", "anything", 0755)
      .File("usr/elf", kElf, 0644)
      .File("usr/script", "#!/bin/sh", 0644);
  tar.File("usr/libc.so.6", "c", 0644).File("usr/libx.so", "x", 0644).File("usr/data", "data", 0644);
  tar.File("usr/libx.sox", "x", 0644).File("usr/xlib.so", "x", 0644).File("usr/empty", "", 0644);
  ASSERT_TRUE(files.AddLayer(kTarGzip, Gzip(tar.Done())).ok());
  EXPECT_THAT(PathsOf(files), ElementsAre("/usr/elf", "/usr/libc.so.6", "/usr/libx.so", "/usr/program", "/usr/script"));
  EXPECT_EQ(files.Runnable().at("/usr/elf"), crypto::Hash(HashAlgorithm::kSha256, AsBytes(kElf)));
  EXPECT_EQ(files.files(), 9U);
}

TEST(LayerFiles, AnEmptyProgramHasTheDigestOfNothing) {
  ImageFiles files;
  ASSERT_TRUE(files.AddLayer(kTar, Tar().File("true", "", 0755).Done()).ok());
  EXPECT_EQ(files.Runnable().at("/true"), crypto::Hash(HashAlgorithm::kSha256, {}));
}

TEST(LayerFiles, NamesAreOnesBelowTheRoot) {
  EXPECT_THAT(After({Tar().File("./a", kElf).File("/b", kElf).File("c//d/./e", kElf).Of('5', "./").Of('5', "/")}),
              ElementsAre("/a", "/b", "/c/d/e"));
}

TEST(LayerFiles, LongNamesComeInPaxGnuAndPrefix) {
  const std::string name = "d/" + std::string(150, 'n');
  Tar::Header with_prefix;
  with_prefix.prefix = "some/prefix";
  with_prefix.mode = 0755;
  Tar::Header gnu;
  gnu.type = 'L';
  gnu.magic = std::string("ustar  \0", 8);
  EXPECT_THAT(After({Tar().Pax("path", name + "1").File("short", kElf)}), ElementsAre("/" + name + "1"));
  EXPECT_THAT(After({Tar().Add("././@LongLink", name + "2" + std::string(1, '\0'), gnu).File("short", kElf)}),
              ElementsAre("/" + name + "2"));
  EXPECT_THAT(After({Tar().Add("file", kElf, with_prefix)}), ElementsAre("/some/prefix/file"));
  // For one entry only.
  EXPECT_THAT(After({Tar().Pax("path", "one").File("x", kElf).File("two", kElf)}), ElementsAre("/one", "/two"));
  EXPECT_THAT(After({Tar().Of('g', "pax_global_header", "", "20 comment=abcdefgh\n").File("x", kElf)}),
              ElementsAre("/x"));
}

TEST(LayerFiles, ASizeOfPaxIsTheSize) {
  Tar tar;
  tar.Pax("size", std::to_string(kElf.size())).File("x", kElf);
  ImageFiles files;
  ASSERT_TRUE(files.AddLayer(kTar, tar.Done()).ok());
  EXPECT_EQ(files.Runnable().at("/x"), crypto::Hash(HashAlgorithm::kSha256, AsBytes(kElf)));
  ExpectRefused(Tar().Pax("size", "1x").File("x", kElf).Done(), "size is no number");
}

// --- layers over each other

TEST(LayerFiles, ALaterLayerReplacesFiles) {
  ImageFiles files;
  ASSERT_TRUE(files.AddLayer(kTar, Tar().File("x", kElf).File("y", kElf).Done()).ok());
  ASSERT_TRUE(files.AddLayer(kTar, Tar().File("x", kElf + "2").File("y", "data", 0644).Done()).ok());
  EXPECT_THAT(PathsOf(files), ElementsAre("/x"));
  EXPECT_EQ(files.Runnable().at("/x"), crypto::Hash(HashAlgorithm::kSha256, AsBytes(kElf + "2")));
}

TEST(LayerFiles, WhiteoutsHideWhatEarlierLayersHave) {
  const Tar below = Tar().File("bin/a", kElf).File("bin/ab", kElf).File("opt/x/y", kElf);
  EXPECT_THAT(After({below, Tar().File("bin/.wh.a", "")}), ElementsAre("/bin/ab", "/opt/x/y"));
  EXPECT_THAT(After({below, Tar().File(".wh.opt", "")}), ElementsAre("/bin/a", "/bin/ab"));
  EXPECT_THAT(After({below, Tar().File("bin/new", kElf).File("bin/.wh..wh..opq", "")}),
              ElementsAre("/bin/new", "/opt/x/y"));
  EXPECT_THAT(After({below, Tar().File("bin/a", kElf).File("bin/.wh.a", "")}), SizeIs(3)) << "not of the same layer";
  EXPECT_THAT(After({below, Tar().File(".wh..wh.plnk", "")}), SizeIs(3));
  ExpectRefused(Tar().File("a/.wh.", "").Done(), "whiteout of nothing");
  ExpectRefused(Tar().File("a/.wh...", "").Done(), "whiteout of nothing");
}

TEST(LayerFiles, AFileInThePlaceOfAFolderAndTheOtherWayRound) {
  EXPECT_THAT(After({Tar().File("a/b", kElf), Tar().File("a", kElf)}), ElementsAre("/a"));
  EXPECT_THAT(After({Tar().File("a", kElf), Tar().Of('5', "a").File("a/b", kElf)}), ElementsAre("/a/b"));
  EXPECT_THAT(After({Tar().File("a", kElf), Tar().Link("a", "b")}), IsEmpty());
  EXPECT_THAT(After({Tar().File("a", kElf), Tar().Of('6', "a")}), IsEmpty());
}

TEST(LayerFiles, SymbolicLinksOfFoldersAreFollowedWithinTheImage) {
  const Tar below = Tar().Of('5', "usr/lib").Link("lib", "usr/lib").Link("abs", "/usr/lib").Link("up", "../../../usr");
  EXPECT_THAT(After({below, Tar().File("lib/a", kElf).File("abs/b", kElf).File("up/lib/c", kElf)}),
              ElementsAre("/usr/lib/a", "/usr/lib/b", "/usr/lib/c"));
  EXPECT_THAT(After({below, Tar().File("lib/a", kElf), Tar().File("lib/.wh.a", "")}), IsEmpty());
}

TEST(LayerFiles, LinksThatLeadInACircleAreRefused) {
  ExpectRefused(Tar().Link("a", "b").Link("b", "a").File("a/x", kElf).Done(), "in a circle");
}

TEST(LayerFiles, HardLinksAreTheSameFile) {
  ImageFiles files;
  ASSERT_TRUE(
      files.AddLayer(kTar, Tar().File("a", kElf).HardLink("b", "a").HardLink("lib/libz.so.1", "./a").Done()).ok());
  ASSERT_TRUE(files.AddLayer(kTar, Tar().HardLink("c", "/a").File("a", "other").Done()).ok());
  EXPECT_THAT(PathsOf(files), ElementsAre("/a", "/b", "/c", "/lib/libz.so.1"));
  EXPECT_EQ(files.Runnable().at("/c"), crypto::Hash(HashAlgorithm::kSha256, AsBytes(kElf)));
  ExpectRefused(Tar().HardLink("a", "missing").Done(), "what is not there");
  ExpectRefused(Tar().HardLink("a", "../../etc/passwd").Done(), "'..'");
}

// --- what is refused

TEST(LayerFiles, PathTraversalIsRefused) {
  for (const char* name : {"../x", "a/../../x", "a/..", "/../x", ".."})
    ExpectRefused(Tar().File(name, kElf).Done(), "'..'");
  ExpectRefused(Tar().Pax("path", "../x").File("x", kElf).Done(), "'..'");
  ExpectRefused(Tar().Pax("path", std::string("a\0b", 3)).File("x", kElf).Done(), "no name");
  ExpectRefused(Tar().File("", kElf).Done(), "no name");
  ExpectRefused(Tar().Link("./", "x").Done(), "is the root");
  std::string deep;
  for (std::size_t i = 0; i < limits::kImaPathBytes; i += 2) deep += "d/";
  ExpectRefused(Tar().Pax("path", deep + "x").File("x", kElf).Done(), "longer than any");
}

TEST(LayerFiles, UnknownKindsAreRefused) {
  for (char type : {'7', 'S', 'M', 'V', 'D', 'z'}) ExpectRefused(Tar().Of(type, "x").Done(), "not supported");
  ExpectRefused(Tar().Pax("GNU.sparse.major", "1").File("x", kElf).Done(), "sparse");
}

TEST(LayerFiles, HeadersMustBeRight) {
  Bytes bad_sum = Tar().File("x", kElf).Done();
  bad_sum[0] = 'y';
  ExpectRefused(bad_sum, "checksum");
  Tar::Header v7;
  v7.magic = std::string(8, '\0');
  ExpectRefused(Tar().Add("x", kElf, v7).Done(), "no form of tar");
  ExpectRefused(Tar().Of('x', "x", "", "99 path=a\n").File("x", kElf).Done(), "extended header");
  ExpectRefused(Tar().Of('x', "x", "", "path=a\n").File("x", kElf).Done(), "extended header");
  ExpectRefused(Tar().Of('x', "x", "", "7 patha\n").File("x", kElf).Done(), "extended header");
  ExpectRefused(Tar().Pax("path", "y").Done(), "for nothing");
}

TEST(LayerFiles, AfterTheEndThereIsNothing) {
  Bytes two = Tar().File("x", kElf).Done();
  ASSERT_TRUE(ImageFiles().AddLayer(kTar, two).ok());
  Append(two, Tar().File("hidden", kElf).Done());
  ExpectRefused(two, "after the end");
  Bytes one_zero_block = Tar().File("x", kElf).Open();
  one_zero_block.resize(one_zero_block.size() + 512);
  Append(one_zero_block, Tar().File("hidden", kElf).Done());
  ExpectRefused(one_zero_block, "after the end");
}

TEST(LayerFiles, TruncationAtEveryByteIsRefusedOrEndsAfterAnEntry) {
  const Bytes whole = Tar().File("a", kElf).Pax("path", "b").File("x", "#!/bin/sh").Open();
  for (std::size_t size = 0; size < whole.size(); ++size) {
    ImageFiles files;
    const bool between = size == 0 || size == 1024;
    EXPECT_EQ(files.AddLayer(kTar, BytesView(whole).first(size)).ok(), between) << size;
  }
  EXPECT_TRUE(ImageFiles().AddLayer(kTar, whole).ok());
}

TEST(LayerFiles, ComesToTheSameInWhateverPieces) {
  const Bytes whole = Tar().File("a", kElf).Pax("path", "b").File("x", std::string(1000, 'x')).Done();
  for (std::size_t piece : {1U, 7U, 511U, 512U, 513U}) {
    std::vector<std::string> seen;
    std::size_t bytes = 0;
    TarReader reader({.begin =
                          [&](const LayerEntry& entry) {
                            seen.push_back(entry.path);
                            return Ok();
                          },
                      .data = [&](BytesView part) { bytes += part.size(); },
                      .end = [&] { seen.emplace_back("end"); }});
    for (std::size_t at = 0; at < whole.size(); at += piece) {
      ASSERT_TRUE(reader.Feed(BytesView(whole).subspan(at, std::min(piece, whole.size() - at))).ok());
    }
    ASSERT_TRUE(reader.Finish().ok());
    EXPECT_THAT(seen, ElementsAre("a", "end", "b", "end"));
    EXPECT_EQ(bytes, kElf.size() + 1000);
  }
}

TEST(LayerFiles, OtherMediaTypesAreRefusedClearly) {
  const Bytes tar = Tar().File("a", kElf).Done();
  ExpectRefused(tar, "zstd", Reason::kContentUnsupported, "application/vnd.oci.image.layer.v1.tar+zstd");
  for (const char* type :
       {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "application/vnd.in-toto+json", ""})
    ExpectRefused(tar, "no layer", Reason::kContentUnsupported, type);
}

// --- gzip

std::string Unzipped(BytesView file, std::uint64_t max, Status& status) {
  std::string text;
  status = Gunzip(file, max, [&](BytesView piece) {
    text += AsText(piece);
    return Ok();
  });
  return text;
}

TEST(GunzipTest, OneOrSeveralMembers) {
  Status status;
  Bytes file = Gzip(AsBytes("hello "));
  Append(file, Gzip(AsBytes("world")));
  EXPECT_EQ(Unzipped(file, 100, status), "hello world");
  EXPECT_TRUE(status.ok());
}

TEST(GunzipTest, ABombIsCutOff) {
  Status status;
  const Bytes bomb = Gzip(Bytes(std::size_t{8} << 20));
  ASSERT_LT(bomb.size(), 20'000U);
  EXPECT_LE(Unzipped(bomb, 1 << 20, status).size(), std::size_t{1} << 20);
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().reason, Reason::kLimitExceeded);
}

TEST(GunzipTest, TruncationAtEveryByteAndDamageAreRefused) {
  const Bytes whole = Gzip(AsBytes("some text, some text, some text"));
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Status status;
    (void)Unzipped(BytesView(whole).first(size), 1000, status);
    ASSERT_FALSE(status.ok()) << size;
    EXPECT_EQ(status.error().reason, Reason::kManifestMalformed) << size;
  }
  Bytes wrong_sum = whole;
  wrong_sum[whole.size() - 5] ^= 1;
  Bytes trailing = whole;
  trailing.push_back(0);
  const Bytes zlib_not_gzip{0x78, 0x9c, 0x03, 0x00, 0x00, 0x00, 0x00, 0x01};
  for (const Bytes& bad : {wrong_sum, trailing, zlib_not_gzip}) {
    Status status;
    (void)Unzipped(bad, 1000, status);
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().reason, Reason::kManifestMalformed);
  }
}

TEST(GunzipTest, AnErrorOfTheReaderEndsIt) {
  int calls = 0;
  const Status status = Gunzip(Gzip(Bytes(std::size_t{1} << 20)), 1 << 30, [&](BytesView) -> Status {
    ++calls;
    return Error{Reason::kInternal, "", "enough"};
  });
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().detail, "enough");
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace gatehouse::cli
