#pragma once

// What every EventStore must do, as tests over a function that opens one: each backend's test file
// says INSTANTIATE_TEST_SUITE_P(Name, EventStoreSuite, Values(backend)).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "base/files.h"
#include "platform/store/event_store.h"

namespace bulwark::store {

struct EventBackend {
  std::string name;
  // A store whose data is in that folder; again after it was closed.
  std::function<Result<std::unique_ptr<EventStore>>(const std::string& folder)> open;
};

class EventStoreSuite : public testing::TestWithParam<EventBackend> {
 protected:
  void SetUp() override { Reopen(); }
  void Reopen() {
    store_.reset();
    auto opened = GetParam().open(folder_.path());
    ASSERT_TRUE(opened) << opened.error().ToString();
    store_ = std::move(*opened);
  }
  TempDir folder_ = *TempDir::Make();
  std::unique_ptr<EventStore> store_;
};

}  // namespace bulwark::store
