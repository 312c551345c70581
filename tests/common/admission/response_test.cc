#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "common/admission/review.h"
#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"

namespace gatehouse::admission {
namespace {

using ::testing::HasSubstr;

codec::JsonDocument Encoded(const ReviewResponse& response) {
  auto document = codec::JsonDocument::Parse(Encode(response), {.max_bytes = 1 << 20});
  EXPECT_TRUE(document.ok());
  return std::move(document).value();
}

std::string StatusText(const ReviewResponse& response, std::string_view key) {
  auto document = Encoded(response);
  return std::string(document.root().Find("response")->Find("status")->Find(key)->AsString().value_or(""));
}

std::string Message(const std::string& message) {
  return StatusText({.uid = "u", .message = message}, "message");
}

std::vector<std::string> Warnings(const std::vector<std::string>& warnings) {
  auto document = Encoded({.uid = "u", .allowed = true, .warnings = warnings});
  auto list = document.root().Find("response")->Find("warnings");
  std::vector<std::string> found;
  for (std::size_t i = 0; list && i < list->size(); ++i) found.emplace_back(*list->at(i).AsString());
  return found;
}

TEST(Response, Allowed) {
  EXPECT_EQ(Encode({.uid = "u-1", .allowed = true, .message = "not shown"}),
            R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":true}})");
}

TEST(Response, Denied) {
  EXPECT_EQ(Encode({.uid = "u-1",
                    .message = "image not signed",
                    .warnings = {"w"},
                    .audit_annotations = {{"decision", "denied"}}}),
            R"({"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u-1","allowed":false,)"
            R"("status":{"status":"Failure","message":"image not signed","reason":"Forbidden","code":403},)"
            R"("warnings":["w"],"auditAnnotations":{"decision":"denied"}}})");
}

TEST(Response, ADefaultResponseDenies) {
  EXPECT_THAT(Encode(ReviewResponse{}), HasSubstr(R"("allowed":false)"));
}

TEST(Response, TheReasonFollowsTheCode) {
  EXPECT_EQ(StatusText({.uid = "u", .code = 400}, "reason"), "BadRequest");
  EXPECT_EQ(StatusText({.uid = "u", .code = 500}, "reason"), "InternalError");
  EXPECT_EQ(StatusText({.uid = "u", .code = 503}, "reason"), "ServiceUnavailable");
  EXPECT_EQ(StatusText({.uid = "u", .code = 429}, "reason"), "TooManyRequests");
  // A denial is never dressed as a success.
  EXPECT_EQ(StatusText({.uid = "u", .code = 200}, "reason"), "Forbidden");
  EXPECT_EQ(StatusText({.uid = "u", .code = 0}, "reason"), "Forbidden");
}

TEST(Response, TheMessageIsCutBetweenCharacters) {
  std::string fits(limits::kMessageBytes, 'x');
  EXPECT_EQ(Message(fits), fits);
  EXPECT_EQ(Message(fits + "x"), std::string(limits::kMessageBytes - 3, 'x') + "...");
  std::string wide;
  while (wide.size() < limits::kMessageBytes) wide += "\xE2\x82\xAC";  // three bytes each
  std::string cut = Message(wide);
  EXPECT_LE(cut.size(), limits::kMessageBytes);
  EXPECT_TRUE(IsUtf8(cut));
  EXPECT_TRUE(cut.ends_with("\xAC..."));
}

TEST(Response, ControlCharactersDoNotReachATerminal) {
  EXPECT_EQ(Message("one\ntwo\x1b[2J\x7f\ttab"), "one\ntwo [2J  tab");
  EXPECT_EQ(Message("c1:\xC2\x9B"
                    "31m"),
            "c1:\xC2\xA0"
            "31m");
  EXPECT_EQ(Message("bad \xFF byte"), "bad \\xff byte");
}

TEST(Response, WarningsKeepToTheApiServersLimits) {
  EXPECT_EQ(Warnings({"line\nfeed", "", "ok"}), (std::vector<std::string>{"line feed", "ok"}));
  EXPECT_EQ(Warnings({std::string(257, 'w')}), (std::vector<std::string>{std::string(253, 'w') + "..."}));
  auto many = Warnings(std::vector<std::string>(30, std::string(300, 'w')));
  std::size_t total = 0;
  for (const std::string& warning : many) total += warning.size();
  EXPECT_LE(total, 4096U);
  EXPECT_EQ(many.size(), 16U);
  EXPECT_EQ(many.back(), "and 15 more; the audit log has all");
}

TEST(Response, AuditKeysHaveNoSlash) {
  EXPECT_THAT(Encode({.uid = "u", .allowed = true, .audit_annotations = {{"a/b", "v"}}}), HasSubstr(R"({"a.b":"v"})"));
}

TEST(Response, SubjectsHaveStableNames) {
  EXPECT_EQ(Name(Subject::kPod), "pod");
  EXPECT_EQ(Name(Subject::kEphemeral), "ephemeral");
  EXPECT_EQ(Name(Subject::kWorkload), "workload");
  EXPECT_EQ(Name(Subject::kBinding), "binding");
  EXPECT_EQ(Name(Subject::kOther), "other");
}

}  // namespace
}  // namespace gatehouse::admission
