#pragma once

// Inventory: what an inspection keeps of objects that have gone by, for the checks that compare
// objects (`needs`). Trimmed copies, some kilobytes each: status, managed fields, and of containers
// all but name, image, ports, securityContext and resources are dropped, so that memory does not
// grow with what nobody asks for.

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/arena.h"
#include "base/value.h"
#include "features/posture/check_set.h"
#include "formats/source_map.h"
#include "kube/object.h"
#include "model/finding.h"

namespace bulwark::posture {

class Inventory {
 public:
  // What the checks of a set ask for.
  Inventory(const CheckSet& checks, const std::vector<kube::PodTemplatePath>& templates);

  struct Kept {
    Value object;
    std::string file;
    Place place;
    bool workload = false;
    // Places of the fields near the top: path → line and column.
    std::vector<std::pair<std::string, Place>> places;
    Place PlaceOf(const Path& path) const;
  };
  // Keeps of an object what is needed, if anything is.
  void Add(const Value& object, bool workload, const std::string& file, const Place& place,
           const SourceMap* positions);
  void Merge(Inventory&& other);

  // Puts together what `peers` and `cluster` are. Call once, after the last Add() and Merge().
  void Finish();
  const std::vector<Kept>& kept() const { return kept_; }
  // For an object of that namespace (or for the namespace object of that name).
  Value Peers(std::string_view ns) const;
  Value Cluster() const { return cluster_; }
  // Whether the input has the Namespace object of that name; for "", any.
  bool HasNamespace(std::string_view name) const;
  bool empty() const { return wanted_.empty(); }

  // Whether Add() would keep an object of that kind (`workload`: it has a pod template), and what
  // of it.
  bool Wants(std::string_view group, std::string_view kind, bool workload) const;
  static Value Trimmed(const Value& object, Arena& arena);

 private:
  std::set<std::string, std::less<>> wanted_;  // kinds that checks name in `needs`
  std::vector<const Check*> related_;
  const std::vector<kube::PodTemplatePath>& templates_;
  std::vector<Arena> arenas_;
  std::vector<Kept> kept_;
  std::map<std::string, Value, std::less<>> peers_;
  std::set<std::string, std::less<>> namespaces_;
  Value cluster_ = Value::EmptyMap();
};

}  // namespace bulwark::posture
