#pragma once

// Exceptions: findings that somebody has taken responsibility for. They stay visible, marked as
// excepted, until they expire.
//
//   # exceptions.yaml
//   exceptions:
//     - check: host-path-*                # globs everywhere
//       namespace: monitoring
//       kind: DaemonSet
//       name: node-exporter
//       labels: {app: node-exporter}      # each must match
//       image: quay.io/prometheus/*       # of the container concerned, or of any where none is
//       reason: reads host metrics        # required
//       owner: team-observability         # required
//       expires: 2027-06-30               # RFC 3339 date or time; optional
//   annotations:                          # may objects except themselves?
//     allow: [image-*]                    # checks; none unless said here
//     namespaces: [dev-*]                 # all unless said
//
// An object excepts itself by an annotation `except.bulwark.io/<check>`: "reason; owner=…;
// expires=2027-01-01", where the file allows it. Immutable after loading but for the marks of use;
// safe from any thread.

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/value.h"
#include "model/finding.h"

namespace bulwark::posture {

class Exceptions {
 public:
  // `now`: seconds since 1970; an exception that has expired by then covers nothing. Fails with
  // file:line for what is wrong, a misspelt key included.
  static Result<Exceptions> Parse(std::string_view yaml, const std::string& origin, int64_t now);
  Exceptions() = default;

  // One that is kept elsewhere (a server's records). Globs as above; `where` names it in warnings;
  // an expired one covers nothing.
  struct Given {
    std::string check, ns, kind, name, image;
    std::vector<std::pair<std::string, std::string>> labels;
    Excused excused;
    bool expired = false;
    std::string where;
  };
  void Add(Given exception);
  // Objects may except themselves from these checks, in these namespaces (none: in all).
  void AllowAnnotations(std::vector<std::string> checks, std::vector<std::string> namespaces,
                        int64_t now);

  // What covers a finding of `check` in `object`; `image` is that of the container concerned, empty
  // if none is. The first of several in the file wins.
  std::optional<Excused> Find(std::string_view check, const Asset& asset, const Value& object,
                              std::string_view image,
                              std::span<const std::string_view> all_images) const;
  bool empty() const { return rules_.empty() && allow_.empty(); }
  // Whether any of them could cover a finding of that check.
  bool Mention(std::string_view check) const;

  // "exceptions.yaml:3: matches nothing", "…: expired on 2026-01-01": after everything was looked
  // at.
  std::vector<std::string> Warnings() const;

 private:
  struct Rule : Given {
    std::shared_ptr<std::atomic<bool>> used = std::make_shared<std::atomic<bool>>(false);
  };
  std::vector<Rule> rules_;
  std::vector<std::string> allow_, namespaces_;
  int64_t now_ = 0;
};

}  // namespace bulwark::posture
