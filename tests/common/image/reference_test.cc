#include "common/image/reference.h"

#include <gtest/gtest.h>

namespace gatehouse::image {
namespace {

const std::string kHex(64, 'a');
const std::string kSha256 = "sha256:" + kHex;

struct Good {
  std::string text;
  std::string domain;
  std::string path;
  std::string tag;     // empty: none
  std::string digest;  // empty: none
};

class ReferenceAccepts : public testing::TestWithParam<Good> {};

TEST_P(ReferenceAccepts, AndNormalises) {
  const Good& good = GetParam();
  auto reference = Reference::Parse(good.text);
  ASSERT_TRUE(reference.ok()) << reference.error().ToString();
  EXPECT_EQ(reference->domain(), good.domain);
  EXPECT_EQ(reference->path(), good.path);
  EXPECT_EQ(reference->tag().value_or(""), good.tag);
  EXPECT_EQ(reference->digest().has_value() ? reference->digest()->text() : "", good.digest);
  auto again = Reference::Parse(reference->Canonical());
  ASSERT_TRUE(again.ok()) << reference->Canonical();
  EXPECT_EQ(*again, *reference) << reference->Canonical();
}

INSTANTIATE_TEST_SUITE_P(
    Table, ReferenceAccepts,
    testing::Values(
        // docker.io and library/
        Good{"nginx", "docker.io", "library/nginx", "latest", ""},
        Good{"nginx:1.25", "docker.io", "library/nginx", "1.25", ""},
        Good{"library/nginx", "docker.io", "library/nginx", "latest", ""},
        Good{"docker.io/nginx", "docker.io", "library/nginx", "latest", ""},
        Good{"docker.io/library/nginx", "docker.io", "library/nginx", "latest", ""},
        Good{"index.docker.io/nginx", "docker.io", "library/nginx", "latest", ""},
        Good{"index.docker.io/library/nginx:x", "docker.io", "library/nginx", "x", ""},
        Good{"docker.io/team/app", "docker.io", "team/app", "latest", ""},
        Good{"team/app", "docker.io", "team/app", "latest", ""},
        Good{"team/sub/app", "docker.io", "team/sub/app", "latest", ""},
        Good{"docker.io/library", "docker.io", "library/library", "latest", ""},
        Good{"registry-1.docker.io/library/nginx", "registry-1.docker.io", "library/nginx", "latest", ""},
        Good{"index.docker.io:443/nginx", "index.docker.io:443", "nginx", "latest", ""},
        Good{"docker.io:443/nginx", "docker.io:443", "nginx", "latest", ""},
        Good{"example.com", "docker.io", "library/example.com", "latest", ""},
        Good{"localhost", "docker.io", "library/localhost", "latest", ""},
        Good{"localhost:5000", "docker.io", "library/localhost", "5000", ""},
        // upper-case hosts are the same host
        Good{"Docker.IO/library/nginx", "docker.io", "library/nginx", "latest", ""},
        Good{"DOCKER.io/nginx", "docker.io", "library/nginx", "latest", ""},
        Good{"Index.Docker.IO/nginx", "docker.io", "library/nginx", "latest", ""},
        Good{"GCR.io/proj/app", "gcr.io", "proj/app", "latest", ""},
        Good{"LocalHost/app", "localhost", "app", "latest", ""},
        Good{"HOST:5000/app", "host:5000", "app", "latest", ""},
        // domains
        Good{"localhost/app", "localhost", "app", "latest", ""},
        Good{"localhost:5000/app:v1", "localhost:5000", "app", "v1", ""},
        Good{"a:5000/app", "a:5000", "app", "latest", ""}, Good{"a.b/app", "a.b", "app", "latest", ""},
        Good{"127.0.0.1:5000/app", "127.0.0.1:5000", "app", "latest", ""},
        Good{"127.0.0.1/app", "127.0.0.1", "app", "latest", ""}, Good{"[::1]/app", "[::1]", "app", "latest", ""},
        Good{"[::1]:5000/app:v1", "[::1]:5000", "app", "v1", ""},
        Good{"[2001:DB8::1]:5000/app", "[2001:db8::1]:5000", "app", "latest", ""},
        Good{"[fc00::1]/team/app@" + kSha256, "[fc00::1]", "team/app", "", kSha256},
        Good{"sub-dom1.foo.com/bar/baz/quux", "sub-dom1.foo.com", "bar/baz/quux", "latest", ""},
        Good{"xn--n3h.com/myimage:xn--n3h.com", "xn--n3h.com", "myimage", "xn--n3h.com", ""},
        Good{"a--b.com/x", "a--b.com", "x", "latest", ""}, Good{"1.2/x", "1.2", "x", "latest", ""},
        Good{"test.com:tag", "docker.io", "library/test.com", "tag", ""},
        Good{"test.com/repo:5000", "test.com", "repo", "5000", ""},
        Good{"test:5000/repo@" + kSha256, "test:5000", "repo", "", kSha256},
        // path separators
        Good{"a/b_c", "docker.io", "a/b_c", "latest", ""}, Good{"a/b__c", "docker.io", "a/b__c", "latest", ""},
        Good{"a/b.c", "docker.io", "a/b.c", "latest", ""}, Good{"a/b-c", "docker.io", "a/b-c", "latest", ""},
        Good{"a/b--c", "docker.io", "a/b--c", "latest", ""}, Good{"a/b-----c", "docker.io", "a/b-----c", "latest", ""},
        Good{"foo/bar_1.2-3__4", "docker.io", "foo/bar_1.2-3__4", "latest", ""},
        Good{"0/1", "docker.io", "0/1", "latest", ""}, Good{"example.com/a.b/c", "example.com", "a.b/c", "latest", ""},
        // tags
        Good{"a/b:_x", "docker.io", "a/b", "_x", ""}, Good{"a/b:A.b-C_d", "docker.io", "a/b", "A.b-C_d", ""},
        Good{"a/b:0", "docker.io", "a/b", "0", ""}, Good{"a/b:v1..2--3", "docker.io", "a/b", "v1..2--3", ""},
        Good{"a/b:" + std::string(128, 'x'), "docker.io", "a/b", std::string(128, 'x'), ""},
        // digests; N3: the tag stays visible beside the digest
        Good{"nginx@" + kSha256, "docker.io", "library/nginx", "", kSha256},
        Good{"nginx:1.25@" + kSha256, "docker.io", "library/nginx", "1.25", kSha256},
        Good{"h:1/a:b@" + kSha256, "h:1", "a", "b", kSha256},
        Good{"a@sha512:" + std::string(128, '0'), "docker.io", "library/a", "", "sha512:" + std::string(128, '0')},
        Good{"a@sha384:" + std::string(96, 'f'), "docker.io", "library/a", "", "sha384:" + std::string(96, 'f')},
        // 64 hex digits are an id only when they stand alone and are lower case hex
        Good{kHex + ":tag", "docker.io", "library/" + kHex, "tag", ""},
        Good{"a/" + kHex, "docker.io", "a/" + kHex, "latest", ""},
        Good{kHex + "@" + kSha256, "docker.io", "library/" + kHex, "", kSha256},
        Good{kHex.substr(1), "docker.io", "library/" + kHex.substr(1), "latest", ""},
        Good{kHex + "a", "docker.io", "library/" + kHex + "a", "latest", ""},
        Good{kHex.substr(1) + "g", "docker.io", "library/" + kHex.substr(1) + "g", "latest", ""},
        // the longest name: 255 characters with the domain
        Good{"h.io/" + std::string(250, 'a'), "h.io", std::string(250, 'a'), "latest", ""}));

struct Bad {
  std::string defect;
  std::string text;
};

class ReferenceRefuses : public testing::TestWithParam<Bad> {};

TEST_P(ReferenceRefuses, AsMalformed) {
  auto reference = Reference::Parse(GetParam().text);
  ASSERT_FALSE(reference.ok()) << GetParam().defect << " gave " << reference->Canonical();
  EXPECT_EQ(reference.error().reason, Reason::kImageReferenceMalformed) << GetParam().defect;
  EXPECT_LT(reference.error().detail.size(), 600U);
}

INSTANTIATE_TEST_SUITE_P(
    Table, ReferenceRefuses,
    testing::Values(
        Bad{"empty", ""}, Bad{"slash", "/"}, Bad{"leading slash", "/nginx"}, Bad{"trailing slash", "nginx/"},
        Bad{"trailing slash after host", "example.com/"}, Bad{"double slash", "a//b"},
        Bad{"scheme", "https://example.com/a"}, Bad{"only a tag", ":latest"}, Bad{"only a digest", "@" + kSha256},
        Bad{"empty tag", "nginx:"}, Bad{"empty digest", "nginx@"}, Bad{"two tags", "nginx:a:b"},
        Bad{"slash in the tag", "nginx:a/b"}, Bad{"tag begins with a dot", "nginx:.a"},
        Bad{"tag begins with a dash", "nginx:-a"}, Bad{"tag with a plus", "nginx:a+b"},
        Bad{"tag of 129", "nginx:" + std::string(129, 'x')}, Bad{"tag with a space", "nginx:a b"}, Bad{"dot dot", ".."},
        Bad{"dot dot in the path", "a/../b"}, Bad{"dot segment", "a/./b"}, Bad{"host and dot dot", "h.io/.."},
        Bad{"leading separator", "a/_b"}, Bad{"trailing separator", "a/b_"}, Bad{"three underscores", "a/b___c"},
        Bad{"two dots", "a/b..c"}, Bad{"dot dash", "a/b.-c"}, Bad{"underscore dash", "a/b_-c"},
        Bad{"leading dash", "-a/b"}, Bad{"trailing dash", "a/b-"}, Bad{"leading dot", ".a/b"}, Bad{"space", "a b"},
        Bad{"leading space", " nginx"}, Bad{"trailing line break", "nginx\n"}, Bad{"tab", "a\tb"},
        Bad{"plus in the path", "a/b+c"}, Bad{"percent", "a%2fb"}, Bad{"query", "a?b"}, Bad{"backslash", "a\\b"},
        Bad{"host ends with a dash", "h-.io/a"}, Bad{"host begins with a dash", "-h.io/a"},
        Bad{"host with empty label", "h..io/a"}, Bad{"host ends with a dot", "h.io./a"},
        Bad{"underscore in host", "h_x.io/a"}, Bad{"empty port", "h.io:/a"}, Bad{"zero before the port", "h.io:0443/a"},
        Bad{"port of six digits", "h.io:100443/a"}, Bad{"port letters", "h.io:5x/a"}, Bad{"two ports", "h.io:1:2/a"},
        Bad{"userinfo", "user@h.io/a"}, Bad{"userinfo with password", "user:pw@h.io/a"}, Bad{"bare IPv6", "::1/a"},
        Bad{"open bracket", "[::1/a"}, Bad{"empty bracket", "[]/a"}, Bad{"bracketed name", "[example.com]/a"},
        Bad{"zone", "[fe80::1%eth0]/a"}, Bad{"IPv6 and text", "[::1]x/a"}, Bad{"IPv6 and empty port", "[::1]:/a"},
        Bad{"bracket later", "a[::1]/b"}, Bad{"IPv6 without a path", "[::1]:5000"}));

INSTANTIATE_TEST_SUITE_P(
    Adversarial_N2, ReferenceRefuses,
    testing::Values(Bad{"upper-case path", "docker.io/Library/nginx"}, Bad{"upper-case name", "Nginx"},
                    Bad{"upper-case name and tag", "Nginx:latest"},
                    Bad{"upper-case host and path", "Docker.IO/Library/Nginx"}, Bad{"upper-case namespace", "Team/app"},
                    Bad{"upper-case after a host", "h.io/App"}, Bad{"upper-case with digest", "App@" + kSha256}));

INSTANTIATE_TEST_SUITE_P(
    Adversarial_N4, ReferenceRefuses,
    testing::Values(Bad{"64 hex digits", kHex}, Bad{"64 digits", std::string(64, '7')},
                    Bad{"NUL", std::string("ngi\0nx", 6)}, Bad{"NUL at the end", std::string("nginx\0", 6)},
                    Bad{"Cyrillic homoglyph", "dock\xD0\xB5r.io/nginx"}, Bad{"fullwidth", "\xEF\xBD\x8Eginx"},
                    Bad{"zero width space", "ngi\xE2\x80\x8Bnx"}, Bad{"bytes that are not UTF-8", "\xFF\xFE"},
                    Bad{"4 KiB name", "h.io/" + std::string(4096, 'a')}, Bad{"1 MiB name", std::string(1 << 20, 'a')},
                    Bad{"256 characters", "h.io/" + std::string(251, 'a')},
                    Bad{"256 with the default domain", std::string(239, 'a')}));

INSTANTIATE_TEST_SUITE_P(
    Adversarial_N6, ReferenceRefuses,
    testing::Values(Bad{"md5", "a@md5:" + std::string(32, '0')}, Bad{"sha1", "a@sha1:" + std::string(40, '0')},
                    Bad{"short hex", "a@sha256:" + std::string(63, '0')},
                    Bad{"long hex", "a@sha256:" + std::string(65, '0')},
                    Bad{"upper-case hex", "a@sha256:" + std::string(64, 'A')},
                    Bad{"upper-case algorithm", "a@SHA256:" + std::string(64, '0')},
                    Bad{"no hex", "a@sha256:" + std::string(64, 'g')}, Bad{"sha512 with 64 digits", "a@sha512:" + kHex},
                    Bad{"two digests", "a@" + kSha256 + "@" + kSha256},
                    Bad{"tag after the digest", "a@" + kSha256 + ":tag"}, Bad{"no algorithm", "a@" + kHex},
                    Bad{"compound algorithm", "a@sha256+b64:" + kHex},
                    Bad{"slash in the digest", "a@sha256:../" + kHex.substr(3)}));

TEST(Adversarial_N1, SpellingsOfOneImageAreEqual) {
  Reference nginx = Reference::Parse("nginx").value();
  EXPECT_EQ(nginx.Canonical(), "docker.io/library/nginx:latest");
  for (const char* text : {"Docker.IO/library/nginx", "docker.io/nginx", "index.docker.io/library/nginx",
                           "nginx:latest", "library/nginx", "DOCKER.IO/nginx:latest"}) {
    EXPECT_EQ(Reference::Parse(text).value(), nginx) << text;
  }
}

TEST(Adversarial_N3, TagBesideADigestStaysVisibleAndGoesWithWithDigest) {
  Reference reference = Reference::Parse("nginx:1.25@" + kSha256).value();
  EXPECT_EQ(reference.Canonical(), "docker.io/library/nginx:1.25@" + kSha256);
  EXPECT_EQ(reference.WithDigest(*reference.digest()).Canonical(), "docker.io/library/nginx@" + kSha256);
}

TEST(Reference, WithDigestReplacesBoth) {
  Digest digest = Digest::Parse(kSha256).value();
  Reference pinned = Reference::Parse("h:5000/a/b:tag").value().WithDigest(digest);
  EXPECT_EQ(pinned.Canonical(), "h:5000/a/b@" + kSha256);
  EXPECT_EQ(pinned.Name(), "h:5000/a/b");
}

TEST(Reference, EveryPrefixParsesToItselfOrFails) {
  const std::string text = "registry.example.com:5000/team/app_1.2:v1@" + kSha256;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto reference = Reference::Parse(text.substr(0, i));
    if (reference.ok()) {
      EXPECT_EQ(Reference::Parse(reference->Canonical()).value(), *reference);
    }
  }
  EXPECT_FALSE(Reference::Parse(text.substr(0, text.size() - 1)).ok());
}

TEST(IsTag, Grammar) {
  for (const char* tag : {"a", "_", "1.2-3", "sha256-abc.sig"}) EXPECT_TRUE(IsTag(tag)) << tag;
  for (const char* tag : {"", ".", "-a", "a/b", "a:b", "../x", "a b", "\xC3\xA4"}) EXPECT_FALSE(IsTag(tag)) << tag;
}

}  // namespace
}  // namespace gatehouse::image
