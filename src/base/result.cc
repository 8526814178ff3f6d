#include "base/result.h"

namespace bulwark {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kInvalid: return "invalid";
    case Code::kNotFound: return "not found";
    case Code::kDenied: return "denied";
    case Code::kExists: return "exists";
    case Code::kLimit: return "limit";
    case Code::kUnavailable: return "unavailable";
    case Code::kUnsupported: return "unsupported";
    case Code::kInternal: return "internal";
  }
  BW_UNREACHABLE();
}

Error::Error(Code code, std::string message) : Error(code, {}, std::move(message)) {}

Error::Error(Code code, std::string id, std::string message, std::vector<Arg> args)
    : body_(std::make_unique<Body>(code, std::move(id), std::move(message), std::move(args))) {}

Error::Error(const Error& other) : body_(std::make_unique<Body>(*other.body_)) {}

Error& Error::operator=(const Error& other) {
  if (this != &other) body_ = std::make_unique<Body>(*other.body_);
  return *this;
}

Error Error::While(std::string doing) && {
  body_->doing.push_back(std::move(doing));
  return std::move(*this);
}

std::string Error::ToString() const {
  std::string out;
  for (auto it = body_->doing.rbegin(); it != body_->doing.rend(); ++it) out += *it + ": ";
  return out + body_->message;
}

}  // namespace bulwark
