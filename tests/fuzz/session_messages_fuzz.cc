// A message that decodes has one meaning: encoding it and decoding that gives the same message again.
#include <cstdint>

#include "common/session/messages.h"
#include "tests/fuzz/check.h"

namespace {

using namespace gatehouse::session;

template <typename T>
void RoundTrip(gatehouse::Result<T> (*decode)(std::string_view), std::string_view json) {
  auto message = decode(json);
  if (!message.ok()) return;
  std::string encoded = Encode(*message);
  auto again = decode(encoded);
  FUZZ_CHECK(again.ok());
  FUZZ_CHECK(*again == *message);
  FUZZ_CHECK(Encode(*again) == encoded);
}

}  // namespace

// The first byte says which message the rest is tried as.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string_view json = gatehouse::AsText({data + 1, size - 1});
  switch (data[0]) {
    case '0':
      RoundTrip(&DecodeEnrollRequest, json);
      break;
    case '1':
      RoundTrip(&DecodeEnrollResponse, json);
      break;
    case '2':
      RoundTrip(&DecodeActivateRequest, json);
      break;
    case '3':
      RoundTrip(&DecodeActivateResponse, json);
      break;
    case '4':
      RoundTrip(&DecodeChallengeRequest, json);
      break;
    case '5':
      RoundTrip(&DecodeChallengeResponse, json);
      break;
    case '6':
      RoundTrip(&DecodeEvidenceRequest, json);
      break;
    case '7':
      RoundTrip(&DecodeEvidenceResponse, json);
      break;
    case '8':
      RoundTrip(&DecodeErrorResponse, json);
      break;
    case '9':
      RoundTrip(&DecodeLogRequest, json);
      break;
    case 'a':
      RoundTrip(&DecodeLogResponse, json);
      break;
    default:
      break;
  }
  return 0;
}
