#pragma once

// Exceptions as a workflow: somebody asks, somebody else agrees or refuses, and it ends by itself.
// Records of the collection "exceptions": {id, check, cluster, namespace, kind, name, labels, image
// (globs, as in exceptions.h), reason, state: requested|approved|refused|withdrawn|expired,
// requestedBy, requestedAt, decidedBy, decidedAt, comment, expires}. Each step is an event of kind
// "exception".
//
// expiresAt is when `expires` takes effect: a time at once, a date at its end (UTC). What was asked
// for and what was agreed on both end then.
//
// Errors: exception.missing, .text, .long, .labels, .narrow, .expires, .past (kInvalid, with
// "field"), exception.not_found (kNotFound), exception.state (kExists: it is not in a state where
// that can be done), exception.own (kDenied: one's own request). Thread-safe.

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "features/posture/exceptions.h"
#include "platform/pipeline/pipeline.h"
#include "platform/store/state_store.h"

namespace bulwark::posture {

inline constexpr std::string_view kExceptions = "exceptions";
const store::Collection& ExceptionsCollection();
// What people may say of one (JSON Schema of a request).
std::string_view ExceptionRequestSchema();

class ExceptionBook {
 public:
  // Told of each record that changed.
  using Tell = std::function<void(std::string_view op, std::string_view id, const Value& record)>;

  // `changed` is told after each step that changes what is excepted.
  ExceptionBook(store::StateStore& state, Pipeline& pipeline, std::function<int64_t()> now_us,
                std::function<void()> changed, Tell tell = nullptr);

  // Checks what was asked for, fills in the rest, and keeps it. `approve`: at once (whoever may).
  Result<store::Record> Request(const Value& asked, std::string_view by, bool approve);
  // "approve", "refuse", "withdraw". `own_allowed`: there is nobody else who could agree.
  Result<store::Record> Decide(std::string_view id, std::string_view step, std::string_view by,
                               std::string_view comment, bool own_allowed);
  // The record that a spec makes (bulwark config apply): approved where whoever applies it may do
  // so alone (`approve`), or where it was agreed to as it is; else a request of theirs. Expired
  // where its time has passed.
  Result<Value> FromSpec(std::string_view id, const Value& spec, const Value& old, Arena& arena,
                         std::string_view by, bool approve);
  Result<> Delete(std::string_view id, std::string_view by);

  // Approved exceptions of a cluster; those that have expired by now become so in the store.
  Result<Exceptions> ActiveFor(std::string_view cluster, std::string_view cluster_name);
  // Ends those whose time has come. True if there were any.
  Result<bool> Expire();

 private:
  void Publish(std::string_view verb, std::string_view id, const Value& record,
               std::string_view by);

  store::StateStore& state_;
  Pipeline& pipeline_;
  const std::function<int64_t()> now_us_;
  const std::function<void()> changed_;
  const Tell tell_;
};

}  // namespace bulwark::posture
