#pragma once

// The API of clusters and assets (issue "server", routes clusters, cluster-manifest, assets,
// asset-object, asset-history, asset-relations), their texts, and what open pages are told.
//
//   AddInventoryMessages(catalog);
//   AddInventoryRoutes(api, inventory, state, events, catalog);  // before inventory.Start()

#include "model/catalog.h"
#include "platform/api/api.h"
#include "platform/inventory/inventory.h"
#include "platform/store/event_store.h"
#include "platform/store/state_store.h"

namespace bulwark {

void AddInventoryMessages(Catalog& catalog);
// All of them must outlive `api`.
void AddInventoryRoutes(api::Api& api, Inventory& inventory, store::StateStore& state,
                        store::EventStore& events, const Catalog& catalog);

}  // namespace bulwark
