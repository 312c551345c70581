#include "webhook/server/chunked_body.h"

#include <algorithm>

#include "common/base/limits.h"

namespace gatehouse::webhook {
namespace {

int HexValue(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

std::size_t ChunkedBody::Feed(std::string_view bytes) {
  std::size_t taken = 0;
  while (taken < bytes.size() && state_ == State::kIncomplete) {
    if (at_ != At::kData) {
      Step(bytes[taken++]);
      continue;
    }
    const std::size_t count = static_cast<std::size_t>(std::min<std::uint64_t>(size_, bytes.size() - taken));
    body_.append(bytes, taken, count);
    taken += count;
    size_ -= count;
    if (size_ == 0) at_ = At::kDataCr;
  }
  return taken;
}

// chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF; last-chunk = 1*("0") [ chunk-ext ] CRLF
void ChunkedBody::Step(char c) {
  const auto expect = [&](char wanted, At next) {
    at_ = next;
    if (c != wanted) state_ = State::kMalformed;
  };
  switch (at_) {
    case At::kSize:
      if (const int value = HexValue(c); value >= 0) {
        if (++digits_ > 16) state_ = State::kMalformed;
        size_ = size_ * 16 + static_cast<std::uint64_t>(value);
      } else if (digits_ == 0) {
        state_ = State::kMalformed;
      } else if (c == ';') {
        at_ = At::kExtension;
      } else {
        expect('\r', At::kSizeLf);
      }
      return;
    case At::kExtension:
      if (c == '\r') {
        at_ = At::kSizeLf;
      } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f ||
                 ++extension_bytes_ > limits::kChunkExtensionBytes) {
        state_ = State::kMalformed;
      }
      return;
    case At::kSizeLf:
      expect('\n', At::kData);
      if (state_ == State::kIncomplete) EndSizeLine();
      return;
    case At::kDataCr:
      return expect('\r', At::kDataLf);
    case At::kDataLf:
      return expect('\n', At::kSize);
    case At::kEndCr:
      return expect('\r', At::kEndLf);
    case At::kEndLf:
      expect('\n', At::kEndLf);
      if (state_ == State::kIncomplete) state_ = State::kComplete;
      return;
    case At::kData:
      return;  // Feed() takes data in one piece
  }
}

void ChunkedBody::EndSizeLine() {
  digits_ = 0;
  if (size_ == 0) {
    at_ = At::kEndCr;
  } else if (size_ > max_bytes_ - body_.size()) {
    state_ = State::kTooLarge;
  }
}

}  // namespace gatehouse::webhook
