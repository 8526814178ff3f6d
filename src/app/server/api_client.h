#pragma once

// A server, as the command line asks it. Where and as whom: --server, --token-file and --ca; else
// BULWARK_SERVER, BULWARK_TOKEN and BULWARK_CA; else the file client.json that `bulwark up` leaves
// in its data folder (--data, or the default one), which only its user can read.

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/arena.h"
#include "base/result.h"
#include "base/value.h"
#include "net/http_client.h"
#include "platform/command.h"

namespace CLI {
class App;
}

namespace bulwark {

struct ApiAddress {
  std::string server, token_file, ca_file, data_folder;
};

// --server, --token-file, --ca, --data.
void AddAddressOptions(CLI::App& command, ApiAddress& address);
// $XDG_DATA_HOME/bulwark, else ~/.local/share/bulwark; /var/lib/bulwark for root.
std::string DefaultDataFolder(const Env& env);

class ApiClient {
 public:
  static Result<ApiClient> Make(const ApiAddress& address, const Env& env);

  // The body of a 2xx answer; a problem becomes an Error with its title and detail.
  Result<Value> Get(const std::string& path, Arena& arena) const;
  Result<Value> Post(const std::string& path, std::string body, Arena& arena) const;
  Result<std::string> Fetch(const std::string& path) const;

 private:
  Result<std::string> Send(net::HttpRequest request) const;
  std::string server_, token_, language_;
  std::shared_ptr<const net::HttpClient> http_;
};

// "a=1&b=x%20y" of what is not empty.
std::string QueryString(const std::vector<std::pair<std::string, std::string>>& parameters);

// What `bulwark up` leaves for the command line.
Result<> WriteClientFile(const std::string& data_folder, const std::string& server,
                         const std::string& token, const std::string& ca_file);

}  // namespace bulwark
