#pragma once

// Result<T>: a value, or why there is none. The API is a subset of std::expected<T, Error>, so that
// it can become an alias of it one day.
//
//   Result<Bundle> LoadBundle(const std::string& path) {
//     std::string text = BW_TRY(ReadFile(path));
//     Result<Bundle> bundle = ParseBundle(text);
//     if (!bundle) return std::move(bundle).error().While("loading bundle " + path);
//     return bundle;
//   }
//
// Three kinds of failure are kept apart: what a user's policy evaluates to (an error *value*), a
// failed environment or bad input (Result), and our own bug (BW_CHECK).

#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/check.h"

namespace bulwark {

// What a caller can branch on. The message says the rest.
enum class Code {
  kInvalid,      // malformed or contradictory input
  kNotFound,     // the thing named does not exist
  kDenied,       // the environment refused: permission, authentication
  kExists,       // it is there already, or has changed meanwhile
  kLimit,        // past a stated limit of size, depth, time or number
  kUnavailable,  // a peer could not be reached or did not answer
  kUnsupported,  // understood, but outside what is built
  kInternal,     // our own fault, noticed in time
};

std::string_view CodeName(Code code);

// Why an operation failed. `id` is a stable message id ("yaml.alias_bomb") under which a
// translation is found; `message` is the English text, with arguments already in it, and `args` are
// those arguments by name. One pointer wide; cheap to move, deep to copy.
class [[nodiscard]] Error {
 public:
  struct Arg {
    std::string name, value;
  };

  Error(Code code, std::string message);
  Error(Code code, std::string id, std::string message, std::vector<Arg> args = {});
  Error(const Error& other);
  Error& operator=(const Error& other);
  Error(Error&&) noexcept = default;
  Error& operator=(Error&&) noexcept = default;
  ~Error() = default;

  Code code() const { return body_->code; }
  const std::string& id() const { return body_->id; }
  const std::string& message() const { return body_->message; }
  const std::vector<Arg>& args() const { return body_->args; }

  // Adds what was being done, outermost last: "reading config: opening a.yaml: permission denied".
  Error While(std::string doing) &&;
  // The contexts, outermost first, then the message.
  std::string ToString() const;

 private:
  struct Body {
    Code code;
    std::string id, message;
    std::vector<Arg> args;
    std::vector<std::string> doing;
  };
  std::unique_ptr<Body> body_;
};

// The value of a Result that carries nothing but success.
struct Ok {
  friend bool operator==(Ok, Ok) { return true; }
};

template <typename T = Ok>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}      // NOLINT: implicit
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT: implicit
  template <typename U>
    requires(std::is_convertible_v<U &&, T> && !std::is_same_v<std::remove_cvref_t<U>, T> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error> &&
             !std::is_same_v<std::remove_cvref_t<U>, Result>)
  Result(U&& value)  // NOLINT: implicit
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}

  bool has_value() const { return state_.index() == 0; }
  explicit operator bool() const { return has_value(); }

  T& value() & { return Get(); }
  const T& value() const& { return const_cast<Result*>(this)->Get(); }
  T&& value() && { return std::move(Get()); }
  T& operator*() & { return Get(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(Get()); }
  T* operator->() { return &Get(); }
  const T* operator->() const { return &value(); }
  T value_or(T other) const& { return has_value() ? value() : std::move(other); }

  Error& error() & { return GetError(); }
  const Error& error() const& { return const_cast<Result*>(this)->GetError(); }
  Error&& error() && { return std::move(GetError()); }

 private:
  T& Get() {
    BW_CHECK(has_value());
    return *std::get_if<0>(&state_);
  }
  Error& GetError() {
    BW_CHECK(!has_value());
    return *std::get_if<1>(&state_);
  }

  std::variant<T, Error> state_;
};

}  // namespace bulwark

// The value of a Result, or a return of its error from the enclosing function.
#define BW_TRY(expression)                   \
  __extension__({                            \
    auto bw_result = (expression);           \
    if (!bw_result.has_value()) [[unlikely]] \
      return std::move(bw_result).error();   \
    std::move(bw_result).value();            \
  })
