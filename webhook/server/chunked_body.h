// The chunked transfer coding (RFC 9112 section 7.1), strict, as it arrives. cpp-httplib takes a chunk that does not
// end in CRLF for the end of the body, so that what follows would be read as the next request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gatehouse::webhook {

class ChunkedBody {
 public:
  enum class State : std::uint8_t { kIncomplete, kComplete, kMalformed, kTooLarge };

  explicit ChunkedBody(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  // Takes bytes as they arrive, in any pieces, and says how many of them belong to the body: all, but for what follows
  // its end. Refused: a size that is not 1*16HEXDIG, a bare LF, trailers (nothing here reads them), extensions of more
  // than limits::kChunkExtensionBytes in all. Extensions are ignored, as section 7.1.1 wants it.
  [[nodiscard]] std::size_t Feed(std::string_view bytes);
  [[nodiscard]] State state() const { return state_; }
  // The decoded body.
  [[nodiscard]] const std::string& body() const { return body_; }

 private:
  enum class At : std::uint8_t { kSize, kExtension, kSizeLf, kData, kDataCr, kDataLf, kEndCr, kEndLf };
  void Step(char c);
  void EndSizeLine();

  std::size_t max_bytes_;
  State state_ = State::kIncomplete;
  At at_ = At::kSize;
  std::uint64_t size_ = 0;
  std::size_t digits_ = 0;
  std::size_t extension_bytes_ = 0;
  std::string body_;
};

}  // namespace gatehouse::webhook
