#include "webhook/attest/enrolment_store.h"

#include <filesystem>
#include <tuple>

#include "common/base/encoding.h"
#include "common/base/file.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/codec/time.h"

namespace gatehouse::webhook {
namespace {

namespace fs = std::filesystem;
using codec::ObjectReader;
using Presence = codec::ObjectReader::Presence;

constexpr std::string_view kSuffix = ".json";

void WriteClock(codec::JsonWriter& json, const claims::TpmClock& clock) {
  json.Key("clock").BeginObject();
  json.Key("ms").Uint(clock.clock_ms).Key("resetCount").Uint(clock.reset_count);
  json.Key("restartCount").Uint(clock.restart_count).Key("safe").Bool(clock.safe);
  json.EndObject();
}

claims::TpmClock ReadClock(ObjectReader& reader) {
  constexpr std::int64_t kU32 = 0xFFFFFFFF;
  claims::TpmClock clock{};
  clock.clock_ms = static_cast<std::uint64_t>(reader.Int("ms", 0, INT64_MAX));
  clock.reset_count = static_cast<std::uint32_t>(reader.Int("resetCount", 0, kU32));
  clock.restart_count = static_cast<std::uint32_t>(reader.Int("restartCount", 0, kU32));
  clock.safe = reader.OptionalBool("safe").value_or(false);
  return clock;
}

}  // namespace

std::string EncodeEnrolment(const Enrolment& enrolment) {
  codec::JsonWriter json;
  json.BeginObject().Member("node", enrolment.node).Member("ek", enrolment.ek.text());
  json.Member("ekPublic", EncodeBase64(enrolment.ek_public))
      .Member("ekCertificate", EncodeBase64(enrolment.ek_certificate));
  json.Key("ekIntermediates").BeginArray();
  for (const Bytes& der : enrolment.ek_intermediates) json.String(EncodeBase64(der));
  json.EndArray();
  json.Member("akPublic", EncodeBase64(enrolment.ak_public)).Member("akName", enrolment.ak_name);
  json.Member("enrolled", codec::FormatTime(enrolment.enrolled));
  if (enrolment.last_clock.has_value()) WriteClock(json, *enrolment.last_clock);
  json.EndObject();
  return std::move(json).Finish();
}

Result<Enrolment> DecodeEnrolment(std::string_view text) {
  ASSIGN_OR_RETURN(auto document, codec::JsonDocument::Parse(text, {.max_bytes = limits::kAttestationBytes}));
  ObjectReader reader(document, document.root(), Reason::kConfigInvalid);
  std::string node = reader.String("node");
  std::string ek = reader.String("ek");
  Bytes ek_public = reader.Base64("ekPublic");
  Bytes ek_certificate = reader.Base64("ekCertificate");
  std::vector<Bytes> intermediates;
  // Most TPMs carry none, so the list may be empty.
  for (const std::string& der : reader.Strings("ekIntermediates", Presence::kOptional)) {
    auto bytes = DecodeBase64(der);
    if (!bytes.ok()) reader.Fail("ekIntermediates", bytes.error().detail);
    if (bytes.ok()) intermediates.push_back(std::move(*bytes));
  }
  Bytes ak_public = reader.Base64("akPublic");
  std::string ak_name = reader.String("akName");
  std::string enrolled = reader.String("enrolled");
  std::optional<claims::TpmClock> clock;
  reader.Object("clock", Presence::kOptional, [&](ObjectReader& member) { clock = ReadClock(member); });
  RETURN_IF_ERROR(reader.Finish());
  ASSIGN_OR_RETURN(NodeName name, NodeName::Parse(node));
  ASSIGN_OR_RETURN(Digest fingerprint, Digest::Parse(ek));
  ASSIGN_OR_RETURN(WallTime time, codec::ParseTime(enrolled));
  return Enrolment{.node = name.text(),
                   .ek = fingerprint,
                   .ek_public = std::move(ek_public),
                   .ek_certificate = std::move(ek_certificate),
                   .ek_intermediates = std::move(intermediates),
                   .ak_public = std::move(ak_public),
                   .ak_name = std::move(ak_name),
                   .enrolled = time,
                   .last_clock = clock};
}

Result<std::unique_ptr<EnrolmentStore>> EnrolmentStore::Open(std::string folder) {
  std::unique_ptr<EnrolmentStore> store(new EnrolmentStore(std::move(folder)));
  if (store->folder_.empty()) return store;
  std::error_code error;
  fs::create_directories(store->folder_, error);
  for (const auto& entry : fs::directory_iterator(store->folder_, error)) {
    if (entry.path().extension() != kSuffix) continue;
    ASSIGN_OR_RETURN(std::string text, ReadTextFile(entry.path(), limits::kAttestationBytes));
    auto enrolment = DecodeEnrolment(text);
    if (!enrolment.ok()) return enrolment.error().In(entry.path().string());
    store->node_by_ek_[enrolment->ek.text()] = enrolment->node;
    store->by_node_.insert_or_assign(enrolment->node, std::move(*enrolment));
  }
  if (error) return Error{Reason::kFileUnreadable, store->folder_, error.message()};
  return store;
}

std::string EnrolmentStore::PathOf(const std::string& node) const {
  return folder_ + "/" + node + std::string(kSuffix);
}

Status EnrolmentStore::Save(const Enrolment& enrolment) const {
  if (folder_.empty()) return Ok();
  return WriteFile(PathOf(enrolment.node), AsBytes(EncodeEnrolment(enrolment)));
}

// The mutex is held. An admin releases a binding by removing its file.
void EnrolmentStore::DropReleased(const std::string& node) {
  auto found = by_node_.find(node);
  std::error_code error;
  if (folder_.empty() || found == by_node_.end() || fs::exists(PathOf(node), error) || error) return;
  node_by_ek_.erase(found->second.ek.text());
  by_node_.erase(found);
}

Status EnrolmentStore::Bind(Enrolment enrolment) {
  std::lock_guard lock(mutex_);
  DropReleased(enrolment.node);
  if (auto owner = node_by_ek_.find(enrolment.ek.text()); owner != node_by_ek_.end()) {
    std::string owner_name = owner->second;  // the entry goes with the binding
    DropReleased(owner_name);
  }
  if (auto known = by_node_.find(enrolment.node); known != by_node_.end() && known->second.ek != enrolment.ek) {
    return Error{Reason::kNodeConflict, enrolment.node, "the node is bound to the TPM " + known->second.ek.text()};
  }
  if (auto owner = node_by_ek_.find(enrolment.ek.text());
      owner != node_by_ek_.end() && owner->second != enrolment.node) {
    return Error{Reason::kNodeConflict, enrolment.node, "its TPM is bound to the node " + owner->second};
  }
  if (by_node_.size() >= limits::kNodes)
    return Error{Reason::kLimitExceeded, enrolment.node, "too many nodes are enrolled"};
  // The same key enrolled again (an agent that lost its memory, not its key) keeps the clock that it had reached.
  if (auto known = by_node_.find(enrolment.node);
      known != by_node_.end() && known->second.ak_name == enrolment.ak_name) {
    enrolment.last_clock = known->second.last_clock;
  }
  RETURN_IF_ERROR(Save(enrolment));
  node_by_ek_[enrolment.ek.text()] = enrolment.node;
  by_node_.insert_or_assign(enrolment.node, std::move(enrolment));
  return Ok();
}

std::optional<Enrolment> EnrolmentStore::Find(const std::string& node) {
  std::lock_guard lock(mutex_);
  DropReleased(node);
  auto found = by_node_.find(node);
  if (found == by_node_.end()) return std::nullopt;
  return found->second;
}

Status EnrolmentStore::Advance(const std::string& node, const std::string& ak_name, const claims::TpmClock& clock) {
  std::lock_guard lock(mutex_);
  auto found = by_node_.find(node);
  if (found == by_node_.end() || found->second.ak_name != ak_name) {
    return Error{Reason::kAkUnbound, node, "the attestation key was replaced meanwhile"};
  }
  auto order = [](const claims::TpmClock& c) { return std::tuple(c.reset_count, c.restart_count, c.clock_ms); };
  auto& last = found->second.last_clock;
  if (last.has_value() && order(*last) >= order(clock)) {
    return Error{Reason::kClockRewound, node, "a later quote was accepted meanwhile"};
  }
  last = clock;
  return Save(found->second);
}

}  // namespace gatehouse::webhook
