#pragma once

// What a running server offers its features, and what a feature is to it. app/server.cc makes the
// services, then the features in the order of their folders, then starts them; it ends them in the
// opposite order.

#include <functional>
#include <memory>
#include <stop_token>
#include <string>

#include "base/metrics.h"
#include "base/result.h"
#include "model/catalog.h"

namespace bulwark {

namespace api {
class Api;
}
namespace store {
class StateStore;
class EventStore;
}  // namespace store
namespace vault {
class Vault;
}
class Pipeline;
class Inventory;
class Scheduler;
class Config;

struct Services {
  store::StateStore& state;
  store::EventStore& events;
  Pipeline& pipeline;
  vault::Vault& vault;
  api::Api& api;
  Inventory& inventory;
  Scheduler& scheduler;
  Config& config;
  Catalog& catalog;
  Metrics& metrics;
  std::string data_folder;
  std::string version;
};

// One capability in the server. Its constructor defines collections, messages, routes and
// listeners; Start() begins work that needs threads.
class Feature {
 public:
  virtual ~Feature();
  virtual std::string name() const = 0;
  virtual Result<> Start() = 0;
  virtual void Stop() = 0;
};

}  // namespace bulwark
