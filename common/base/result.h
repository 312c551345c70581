// Result<T>: a value, or an Error with a Reason. No exceptions cross a function of ours.
#pragma once

#include <cassert>
#include <optional>
#include <string>
#include <utility>
#include <variant>

#include "common/base/reason.h"

namespace gatehouse {

struct Error {
  Reason reason;
  std::string where;   // which thing: a file and line, a JSON pointer, an image, a node; may be empty
  std::string detail;  // what was found, and what would fix it; never secrets, never raw attacker bytes

  // "where: detail [token]", each part only if present.
  [[nodiscard]] std::string ToString() const;
  // The same error, seen from one level up: `outer` is put before `where`.
  [[nodiscard]] Error In(std::string_view outer) const;
  friend bool operator==(const Error&, const Error&) = default;
};

template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT(google-explicit-constructor)
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }

  // Precondition of value(), * and ->: ok(). Of error(): !ok(). Checked in every build: std::get throws, and an
  // exception inside a decision ends in a refusal at the outermost wall.
  [[nodiscard]] const T& value() const& { return std::get<0>(state_); }
  [[nodiscard]] T& value() & { return std::get<0>(state_); }
  [[nodiscard]] T&& value() && { return std::get<0>(std::move(state_)); }
  [[nodiscard]] const T& operator*() const& { return value(); }
  [[nodiscard]] T& operator*() & { return value(); }
  [[nodiscard]] T&& operator*() && { return std::move(*this).value(); }
  const T* operator->() const { return &value(); }
  T* operator->() { return &value(); }
  [[nodiscard]] const Error& error() const& { return std::get<1>(state_); }
  [[nodiscard]] Error&& error() && { return std::get<1>(std::move(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)

  [[nodiscard]] bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  [[nodiscard]] const Error& error() const& { return error_.value(); }
  [[nodiscard]] Error&& error() && { return std::move(error_).value(); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;
[[nodiscard]] inline Status Ok() {
  return {};
}

}  // namespace gatehouse

#define GATEHOUSE_CONCAT_INNER(a, b) a##b
#define GATEHOUSE_CONCAT(a, b) GATEHOUSE_CONCAT_INNER(a, b)

// ASSIGN_OR_RETURN(auto key, ParseKey(pem)); returns the error from the enclosing function, or binds the value.
#define ASSIGN_OR_RETURN(declaration, expression) \
  ASSIGN_OR_RETURN_INNER(GATEHOUSE_CONCAT(gatehouse_result_, __LINE__), declaration, expression)
#define ASSIGN_OR_RETURN_INNER(result, declaration, expression) \
  auto result = (expression);                                   \
  if (!result.ok()) return std::move(result).error();           \
  declaration = std::move(result).value()

// RETURN_IF_ERROR(reader.ExpectEnd());
#define RETURN_IF_ERROR(expression)                                                                               \
  do {                                                                                                            \
    if (auto gatehouse_status = (expression); !gatehouse_status.ok()) return std::move(gatehouse_status).error(); \
  } while (false)
