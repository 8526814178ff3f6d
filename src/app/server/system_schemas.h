#pragma once

// What the server's own routes answer with, for the OpenAPI document.

namespace bulwark {

namespace api {
class Api;
}

// System, Settings, SettingsPatch, Overview, ConfigObject, ConfigObjects, ConfigChanges, Backup.
void AddSystemSchemas(api::Api& api);

}  // namespace bulwark
