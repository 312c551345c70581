// gatehouse measure boot, measure uki and diff.
#include "tests/cli/support.h"
#include "tests/common/measure/pe_builder.h"
#include "tests/fakes/boot_log.h"
#include "tests/fakes/ima_log.h"

namespace gatehouse::cli {
namespace {

using fakes::BootLog;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class MeasureVerbs : public CliTest {
 protected:
  void WriteBytes(const std::string& name, BytesView bytes) const {
    (void)folder_.Write(name, std::string(AsText(bytes)));
  }
};

TEST_F(MeasureVerbs, BootProposesPoliciesThatLoad) {
  WriteBytes("log", fakes::SecureBootWithGrub().Write());
  fakes::Ran ran = Run({"measure", "boot", "--log", "{folder}/log", "--name", "rack-7", "--set", "bookworm"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("kind: ReferenceValues"), HasSubstr("kind: NodePolicy"),
                             HasSubstr("name: rack-7\n"), HasSubstr("- name: bookworm\n")));
  EXPECT_THAT(ran.err, HasSubstr("note: "));
  (void)folder_.Write("policies/boot.yaml", ran.out);
  (void)folder_.Write("policies/root.yaml",
                      "apiVersion: gatehouse.dev/v1alpha1\nkind: TrustRoot\nmetadata: {name: tpm-manufacturers}\n"
                      "spec: {tpm: {pinned: [\"sha256:" +
                          std::string(64, 'a') + "\"]}}\n");
  fakes::Ran check = Run({"policy", "check", "{folder}/policies"});
  EXPECT_EQ(check.exit_code, 0) << check.err << ran.out;
}

TEST_F(MeasureVerbs, BootOfWhatIsNoLogIsRefused) {
  Write("log", "not a log");
  fakes::Ran ran = Run({"measure", "boot", "--log", "{folder}/log"});
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.out, IsEmpty());
  EXPECT_THAT(ran.err, HasSubstr("event-log-malformed"));
}

TEST_F(MeasureVerbs, BootWithoutALogOrWithABadNameIsAMistakeOfUse) {
  WriteBytes("log", fakes::SecureBootWithGrub().Write());
  EXPECT_EQ(Run({"measure", "boot", "--log", "{folder}/absent"}).exit_code, 2);
  EXPECT_EQ(Run({"measure", "boot", "--log", "{folder}/log", "--name", "x\nspec: {}"}).exit_code, 2);
  EXPECT_EQ(Run({"measure", "boot", "--log", "{folder}/log", "--set", "A"}).exit_code, 2);
}

Bytes MakeUki() {
  return fakes::MakePe({.sections = {{".sdmagic", ToBytes("#### LoaderInfo: systemd-stub 252.39 ####")},
                                     {".cmdline", ToBytes("root=/dev/sda1 ro")},
                                     {".linux", fakes::MakePe({.sections = {{".text", Bytes(16, 1)}}})}}});
}

TEST_F(MeasureVerbs, UkiAsJson) {
  WriteBytes("uki.efi", MakeUki());
  fakes::Ran ran = Run({"measure", "uki", "{folder}/uki.efi", "--json"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  auto lines = JsonLines(ran.out);
  ASSERT_THAT(lines, SizeIs(1));
  const codec::JsonView root = lines[0].root();
  EXPECT_EQ(Text(root, "commandLine"), "root=/dev/sda1 ro");
  EXPECT_EQ(root.Find("stubVersion")->AsUint(), 252U);
  for (const char* key : {"authenticode", "kernelAuthenticode", "pcr4", "pcr11"}) {
    EXPECT_EQ(Text(*root.Find(key), "sha256").size(), 64U) << key;
  }
  ASSERT_EQ(root.Find("sections")->size(), 2U);
  EXPECT_EQ(Text(root.Find("sections")->at(0), "name"), ".linux");
  EXPECT_EQ(Text(root.Find("sections")->at(1), "name"), ".cmdline");
}

TEST_F(MeasureVerbs, UkiForPeople) {
  WriteBytes("uki.efi", MakeUki());
  fakes::Ran ran = Run({"measure", "uki", "{folder}/uki.efi"});
  ASSERT_EQ(ran.exit_code, 0) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("systemd-stub 252"), HasSubstr("Expected PCR 11"), HasSubstr("pcr 4  sha256:"),
                             HasSubstr("'root=/dev/sda1 ro'"), HasSubstr("Signatures (not verified)\n  none")));
}

TEST_F(MeasureVerbs, WhatIsNoUkiIsRefused) {
  WriteBytes("plain.efi", fakes::MakePe({.sections = {{".text", Bytes(16, 1)}}}));
  Write("text", "hello");
  for (const char* file : {"{folder}/plain.efi", "{folder}/text"}) {
    fakes::Ran ran = Run({"measure", "uki", file});
    EXPECT_EQ(ran.exit_code, 1);
    EXPECT_THAT(ran.err, HasSubstr("pe-malformed"));
  }
  EXPECT_EQ(Run({"measure", "uki", "{folder}/absent"}).exit_code, 2);
}

TEST_F(MeasureVerbs, DiffOfBootLogs) {
  const BootLog a = fakes::SecureBootWithUki();
  BootLog b = a;
  b.Action(5, "something else");
  WriteBytes("a", a.Write());
  WriteBytes("b", b.Write());
  fakes::Ran same = Run({"diff", "{folder}/a", "{folder}/a"});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  EXPECT_EQ(same.out, "no difference (boot event logs)\n");
  fakes::Ran other = Run({"diff", "{folder}/a", "{folder}/b"});
  EXPECT_EQ(other.exit_code, 1) << other.err;
  EXPECT_THAT(other.out, AllOf(HasSubstr("only in b: pcr 5, event "), HasSubstr("something else")));
  auto lines = JsonLines(Run({"diff", "{folder}/a", "{folder}/b", "--json"}).out);
  ASSERT_THAT(lines, SizeIs(1));
  EXPECT_EQ(Text(lines[0].root(), "kind"), "boot event log");
  ASSERT_EQ(lines[0].root().Find("differences")->size(), 1U);
  const codec::JsonView one = lines[0].root().Find("differences")->at(0);
  EXPECT_EQ(Text(one, "kind"), "only in b");
  EXPECT_EQ(one.Find("pcr")->AsUint(), 5U);
  EXPECT_FALSE(one.Find("a").has_value());
}

TEST_F(MeasureVerbs, DiffOfImaLogs) {
  fakes::ImaLog a, b;
  a.File("/usr/bin/id", "id");
  b.File("/usr/bin/id", "id").File("/usr/local/bin/evil", "evil");
  WriteBytes("a", a.bytes());
  WriteBytes("b", b.bytes());
  fakes::Ran ran = Run({"diff", "{folder}/a", "{folder}/b"});
  EXPECT_EQ(ran.exit_code, 1) << ran.err;
  EXPECT_THAT(ran.out, AllOf(HasSubstr("only in b: entry 1, /usr/local/bin/evil: sha256:")));
  EXPECT_EQ(Run({"diff", "{folder}/b", "{folder}/b"}).out, "no difference (ima logs)\n");
}

TEST_F(MeasureVerbs, DiffOfLogsOfTwoKinds) {
  fakes::ImaLog ima;
  ima.File("/usr/bin/id", "id");
  WriteBytes("boot", fakes::SecureBootWithUki().Write());
  WriteBytes("ima", ima.bytes());
  Write("text", "neither");
  fakes::Ran ran = Run({"diff", "{folder}/boot", "{folder}/ima"});
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_THAT(ran.err, HasSubstr("it is no boot event log, and the other is"));
  ran = Run({"diff", "{folder}/text", "{folder}/ima"});
  EXPECT_EQ(ran.exit_code, 3);
  EXPECT_THAT(ran.err, HasSubstr("neither two boot event logs"));
  EXPECT_EQ(Run({"diff", "{folder}/absent", "{folder}/ima"}).exit_code, 2);
}

}  // namespace
}  // namespace gatehouse::cli
