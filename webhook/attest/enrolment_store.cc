#include "webhook/attest/enrolment_store.h"

#include <algorithm>
#include <tuple>

#include "common/base/encoding.h"
#include "common/base/limits.h"
#include "common/codec/json.h"
#include "common/codec/time.h"
#include "common/crypto/hash.h"
#include "common/verify/tpm/identity.h"

namespace gatehouse::webhook {
namespace {

using codec::ObjectReader;
using Presence = codec::ObjectReader::Presence;

void WriteClock(codec::JsonWriter& json, const claims::TpmClock& clock, const std::string& ak) {
  json.Key("clock").BeginObject();
  json.Key("ms").Uint(clock.clock_ms).Key("resetCount").Uint(clock.reset_count);
  json.Key("restartCount").Uint(clock.restart_count).Key("safe").Bool(clock.safe);
  if (clock.firmware_version != 0) json.Key("firmware").Uint(clock.firmware_version);
  if (!ak.empty()) json.Member("ak", ak);
  json.EndObject();
}

std::uint64_t ReadU64(ObjectReader& reader, std::string_view key, Presence presence) {
  auto raw = reader.Raw(key);
  if (!raw.has_value() && presence == Presence::kOptional) return 0;
  auto value = raw.has_value() ? raw->AsUint() : std::nullopt;  // all 64 bits: a TPM may say any
  if (!value.has_value()) reader.Fail(key, "must be an integer from 0 to 2^64-1");
  return value.value_or(0);
}

claims::TpmClock ReadClock(ObjectReader& reader, std::string& ak) {
  constexpr std::int64_t kU32 = 0xFFFFFFFF;
  claims::TpmClock clock{};
  clock.clock_ms = ReadU64(reader, "ms", Presence::kRequired);
  clock.reset_count = static_cast<std::uint32_t>(reader.Int("resetCount", 0, kU32));
  clock.restart_count = static_cast<std::uint32_t>(reader.Int("restartCount", 0, kU32));
  clock.safe = reader.OptionalBool("safe").value_or(false);
  // Files of releases before these were written have neither.
  clock.firmware_version = ReadU64(reader, "firmware", Presence::kOptional);
  ak = reader.OptionalString("ak").value_or("");
  return clock;
}

// Absent or empty: there is none. Files from before the member existed do not have it.
Bytes ReadOptionalBase64(ObjectReader& reader, std::string_view key) {
  const std::string text = reader.Has(key) ? reader.Text(key) : "";
  auto bytes = DecodeBase64(text);
  if (!bytes.ok()) reader.Fail(key, bytes.error().detail);
  return bytes.ok() ? std::move(*bytes) : Bytes{};
}

}  // namespace

std::string EncodeEnrolment(const Enrolment& enrolment) {
  codec::JsonWriter json;
  json.BeginObject().Member("node", enrolment.node).Member("ek", enrolment.ek.text());
  if (!enrolment.node_uid.empty()) json.Member("nodeUID", enrolment.node_uid);
  json.Member("ekPublic", EncodeBase64(enrolment.ek_public))
      .Member("ekCertificate", EncodeBase64(enrolment.ek_certificate));
  json.Key("ekIntermediates").BeginArray();
  for (const Bytes& der : enrolment.ek_intermediates) json.String(EncodeBase64(der));
  json.EndArray();
  json.Member("akPublic", EncodeBase64(enrolment.ak_public)).Member("akName", enrolment.ak_name);
  if (!enrolment.ak_certificate.empty()) json.Member("akCertificate", EncodeBase64(enrolment.ak_certificate));
  json.Member("enrolled", codec::FormatTime(enrolment.enrolled));
  if (enrolment.last_clock.has_value()) WriteClock(json, *enrolment.last_clock, enrolment.clock_ak);
  json.EndObject();
  return std::move(json).Finish();
}

Result<Enrolment> DecodeEnrolment(std::string_view text) {
  ASSIGN_OR_RETURN(auto document, codec::JsonDocument::Parse(text, {.max_bytes = limits::kAttestationBytes}));
  ObjectReader reader(document, document.root(), Reason::kConfigInvalid);
  std::string node = reader.String("node");
  std::string ek = reader.String("ek");
  std::string node_uid = reader.OptionalString("nodeUID").value_or("");
  Bytes ek_public = reader.Base64("ekPublic");
  Bytes ek_certificate = ReadOptionalBase64(reader, "ekCertificate");
  std::vector<Bytes> intermediates;
  // Most TPMs carry none, so the list may be empty.
  for (const std::string& der : reader.Strings("ekIntermediates", Presence::kOptional)) {
    auto bytes = DecodeBase64(der);
    if (!bytes.ok()) reader.Fail("ekIntermediates", bytes.error().detail);
    if (bytes.ok()) intermediates.push_back(std::move(*bytes));
  }
  Bytes ak_public = reader.Base64("akPublic");
  std::string ak_name = reader.String("akName");
  Bytes ak_certificate = ReadOptionalBase64(reader, "akCertificate");
  std::string enrolled = reader.String("enrolled");
  std::optional<claims::TpmClock> clock;
  std::string clock_ak;
  reader.Object("clock", Presence::kOptional, [&](ObjectReader& member) { clock = ReadClock(member, clock_ak); });
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
                   .last_clock = clock,
                   .node_uid = std::move(node_uid),
                   .ak_certificate = std::move(ak_certificate),
                   .clock_ak = std::move(clock_ak)};
}

Status CheckConsistent(const Enrolment& enrolment) {
  namespace tpm = evidence::tpm;
  const auto fail = [](std::string detail) { return Error{Reason::kConfigInvalid, "", std::move(detail)}; };
  ASSIGN_OR_RETURN(auto ak, tpm::ParsePublic(enrolment.ak_public));
  if (EncodeHex(verify::tpm::ComputeName(ak)) != enrolment.ak_name) return fail("akName is not the name of akPublic");
  ASSIGN_OR_RETURN(auto ek, tpm::ParsePublic(enrolment.ek_public));
  ASSIGN_OR_RETURN(auto key, verify::tpm::ToPublicKey(ek));
  if (key.Fingerprint() != enrolment.ek) return fail("ek is not the fingerprint of ekPublic");
  return Ok();
}

std::vector<std::string> ClaimsOf(const Enrolment& enrolment) {
  std::vector<std::string> claims{enrolment.ek.text()};
  auto ak = evidence::tpm::ParsePublic(enrolment.ak_public);
  if (!ak.ok()) return claims;
  // The key and not its name: nothing but an endorsement key's own certificate vouches for the rest of the public area.
  auto key = verify::tpm::ToPublicKey(*ak);
  if (key.ok()) claims.push_back("ak:" + key->Fingerprint().text());
  return claims;
}

Result<std::unique_ptr<EnrolmentStore>> EnrolmentStore::Open(std::string folder, std::size_t max_nodes) {
  std::unique_ptr<EnrolmentStore> store(new EnrolmentStore(max_nodes));
  if (folder.empty()) return store;
  ASSIGN_OR_RETURN(store->folder_, StateFolder::Open(std::move(folder), crypto::SystemRandom()));
  RETURN_IF_ERROR(store->Load());
  return store;
}

namespace {

Result<Enrolment> ReadEnrolment(const StateFolder& folder, const std::string& file) {
  ASSIGN_OR_RETURN(std::string text, folder.Read(file));
  ASSIGN_OR_RETURN(Enrolment enrolment, DecodeEnrolment(text));
  if (StateFolder::FileOf(enrolment.node) != file)
    return Error{Reason::kConfigInvalid, "$.node", "the file is named after another node"};
  RETURN_IF_ERROR(CheckConsistent(enrolment));
  return enrolment;
}

}  // namespace

void EnrolmentStore::Block(const std::string& file, const Error& problem) {
  problems_.push_back(problem.In(folder_->PathOf(file)));
  blocked_.insert_or_assign(file, problem.ToString());
}

Status EnrolmentStore::Load() {
  ASSIGN_OR_RETURN(std::vector<std::string> files, folder_->Files());
  std::vector<Enrolment> read;
  for (const std::string& file : files) {
    auto enrolment = ReadEnrolment(*folder_, file);
    if (enrolment.ok()) {
      read.push_back(std::move(*enrolment));
    } else {
      Block(file, enrolment.error());
    }
  }
  std::stable_sort(read.begin(), read.end(),
                   [](const Enrolment& a, const Enrolment& b) { return a.enrolled < b.enrolled; });
  for (Enrolment& enrolment : read) {
    if (auto owner = OwnerOf(enrolment)) {
      Block(StateFolder::FileOf(enrolment.node), {Reason::kTpmInUse, "$.ek", "its TPM is bound to the node " + *owner});
    } else {
      Keep(std::move(enrolment));
    }
  }
  return Ok();
}

Status EnrolmentStore::Save(const Enrolment& enrolment) const {
  if (folder_ == nullptr) return Ok();
  std::string text = EncodeEnrolment(enrolment);
  // What the next start could not read must not replace what it can.
  if (auto decoded = DecodeEnrolment(text); !decoded.ok())
    return Error{Reason::kInternal, enrolment.node, "cannot be read again: " + decoded.error().ToString()};
  return folder_->Write(StateFolder::FileOf(enrolment.node), text);
}

// An admin releases a binding, or a blocked node, by removing its file.
void EnrolmentStore::DropReleased(const std::string& node) {
  auto found = by_node_.find(node);
  if (folder_ == nullptr || found == by_node_.end() || !folder_->IsRemoved(StateFolder::FileOf(node))) return;
  for (const std::string& claim : ClaimsOf(found->second)) node_by_claim_.erase(claim);
  by_node_.erase(found);
}

std::optional<std::string> EnrolmentStore::OwnerOf(const Enrolment& enrolment) const {
  for (const std::string& claim : ClaimsOf(enrolment)) {
    auto owner = node_by_claim_.find(claim);
    if (owner != node_by_claim_.end() && owner->second != enrolment.node) return owner->second;
  }
  return std::nullopt;
}

void EnrolmentStore::Keep(Enrolment enrolment) {
  if (auto known = by_node_.find(enrolment.node); known != by_node_.end()) {
    for (const std::string& claim : ClaimsOf(known->second)) node_by_claim_.erase(claim);
  }
  for (const std::string& claim : ClaimsOf(enrolment)) node_by_claim_[claim] = enrolment.node;
  std::string node = enrolment.node;
  by_node_.insert_or_assign(std::move(node), std::move(enrolment));
}

Status EnrolmentStore::CheckBlocked(const std::string& node) {
  if (folder_ == nullptr || blocked_.empty()) return Ok();
  auto found = blocked_.find(StateFolder::FileOf(node));
  if (found == blocked_.end()) return Ok();
  if (!folder_->IsRemoved(found->first)) {
    return Error{Reason::kNodeConflict, node,
                 "its binding cannot be used (" + found->second + "): repair " + found->first +
                     " and restart, or remove it to release the node"};
  }
  blocked_.erase(found);
  return Ok();
}

Status EnrolmentStore::CheckConflict(const Enrolment& enrolment) const {
  if (auto known = by_node_.find(enrolment.node); known != by_node_.end() && known->second.ek != enrolment.ek) {
    return Error{Reason::kNodeConflict, enrolment.node, "the node is bound to the TPM " + known->second.ek.text()};
  }
  if (auto owner = OwnerOf(enrolment))
    return Error{Reason::kTpmInUse, enrolment.node, "its TPM is bound to the node " + *owner};
  return Ok();
}

Status EnrolmentStore::Bind(Enrolment enrolment) {
  if (Status consistent = CheckConsistent(enrolment); !consistent.ok())
    return Error{Reason::kInternal, enrolment.node, consistent.error().ToString()};
  std::lock_guard lock(mutex_);
  if (folder_ != nullptr) RETURN_IF_ERROR(folder_->CheckPresent());
  DropReleased(enrolment.node);
  for (const std::string& claim : ClaimsOf(enrolment)) {
    auto owner = node_by_claim_.find(claim);
    if (owner == node_by_claim_.end()) continue;
    const std::string owner_name = owner->second;  // the entry goes with the binding
    DropReleased(owner_name);
  }
  RETURN_IF_ERROR(CheckBlocked(enrolment.node));
  RETURN_IF_ERROR(CheckConflict(enrolment));
  auto known = by_node_.find(enrolment.node);
  if (known == by_node_.end() && by_node_.size() >= max_nodes_)
    return Error{Reason::kLimitExceeded, enrolment.node, "too many nodes are enrolled"};
  // The clock is the TPM's, whichever of its keys signs: a new key must not let an older state of the TPM in.
  if (known != by_node_.end()) {
    enrolment.last_clock = known->second.last_clock;
    enrolment.clock_ak = known->second.clock_ak;
  }
  RETURN_IF_ERROR(Save(enrolment));
  Keep(std::move(enrolment));
  return Ok();
}

Result<Enrolment> EnrolmentStore::Find(const std::string& node) {
  std::lock_guard lock(mutex_);
  DropReleased(node);
  RETURN_IF_ERROR(CheckBlocked(node));
  auto found = by_node_.find(node);
  if (found == by_node_.end()) return Error{Reason::kAkUnbound, node, "the node has not enrolled"};
  return found->second;
}

Status EnrolmentStore::Advance(const std::string& node, const std::string& ak_name, const claims::TpmClock& clock) {
  std::lock_guard lock(mutex_);
  DropReleased(node);
  RETURN_IF_ERROR(CheckBlocked(node));
  auto found = by_node_.find(node);
  if (found == by_node_.end()) return Error{Reason::kAkUnbound, node, "the binding was released meanwhile"};
  if (found->second.ak_name != ak_name)
    return Error{Reason::kAkUnbound, node, "the attestation key was replaced meanwhile"};
  auto order = [](const claims::TpmClock& c) { return std::tuple(c.reset_count, c.restart_count, c.clock_ms); };
  const auto& last = found->second.last_clock;
  if (last.has_value() && order(*last) >= order(clock)) {
    return Error{Reason::kClockRewound, node, "a later quote was accepted meanwhile"};
  }
  Enrolment advanced = found->second;
  advanced.last_clock = clock;
  advanced.clock_ak = ak_name;
  RETURN_IF_ERROR(Save(advanced));
  found->second = std::move(advanced);
  return Ok();
}

}  // namespace gatehouse::webhook
