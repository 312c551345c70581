#include <gtest/gtest.h>

#include "common/policy/documents.h"
#include "tests/common/policy/golden.h"

namespace gatehouse::policy {
namespace {

constexpr Mode kModes[] = {Mode::kEnforce, Mode::kWarn, Mode::kAudit};

// One line for each reason: its effect in each mode, under onUnavailable: deny and allow.
TEST(EffectOf, TheTableOfEveryReasonInEveryMode) {
  std::string text = "# reason (class): mode onUnavailable-deny/onUnavailable-allow, ...\n";
  for (const ReasonInfo& info : AllReasons()) {
    text.append(info.token).append(" (").append(Token(info.reason_class)).append("):");
    for (Mode mode : kModes) {
      text.append(mode == Mode::kEnforce ? " " : ", ").append(Name(mode)).append(" ");
      text.append(Name(EffectOf(info.reason, mode, OnUnavailable::kDeny))).append("/");
      text.append(Name(EffectOf(info.reason, mode, OnUnavailable::kAllow)));
    }
    text += "\n";
  }
  ExpectGolden("effects.golden", text);
}

// Of the class unavailable, and of it only an outage of the image's own registry: whoever writes a pod can use up its
// time.
TEST(EffectOf, OnlyAnOutageIsEverRelaxed) {
  for (const ReasonInfo& info : AllReasons()) {
    bool unavailable = info.reason == Reason::kRegistryUnavailable || info.reason == Reason::kNetworkUnavailable;
    EXPECT_TRUE(!unavailable || info.reason_class == ReasonClass::kUnavailable) << info.token;
    EXPECT_EQ(EffectOf(info.reason, Mode::kEnforce, OnUnavailable::kDeny), Effect::kDeny) << info.token;
    EXPECT_EQ(EffectOf(info.reason, Mode::kEnforce, OnUnavailable::kAllow), unavailable ? Effect::kWarn : Effect::kDeny)
        << info.token;
  }
}

TEST(Names, AreStable) {
  EXPECT_EQ(Name(Mode::kEnforce), "enforce");
  EXPECT_EQ(Name(Mode::kWarn), "warn");
  EXPECT_EQ(Name(Mode::kAudit), "audit");
  EXPECT_EQ(Name(Effect::kDeny), "deny");
  EXPECT_EQ(Name(Effect::kWarn), "warn");
  EXPECT_EQ(Name(Effect::kAudit), "audit");
}

}  // namespace
}  // namespace gatehouse::policy
