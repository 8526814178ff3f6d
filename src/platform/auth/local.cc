// What the process that runs a server asks of its accounts itself.

#include <fmt/format.h>

#include "platform/auth/auth.h"
#include "platform/auth/state.h"

namespace bulwark::auth {

Result<std::string> Auth::IssueLocalToken(std::string_view name, std::string_view role,
                                          std::chrono::seconds life) {
  State& state = *state_;
  Token token;
  token.name = name;
  token.machine = true;
  token.created_by = "system";
  token.grants = {{.role = std::string(role), .scope = {}}};
  token.created_us = state.NowUs();
  token.expires_us = token.created_us + std::chrono::microseconds(life).count();
  std::string secret = MakeApiToken();
  token.id = ApiTokenId(secret);
  token.hash = HashOf(secret);
  store::Batch batch;
  // The one before it is of no more use.
  BW_TRY(
      state.store.Scan(kTokens, store::Query::All(), [&](const store::Record& record) -> Result<> {
        auto old = ReadToken(record);
        if (old && old->created_by == "system" && old->name == token.name)
          batch.Delete(kTokens, record.key);
        return Ok();
      }));
  batch.Put(kTokens, token.id, ToRecord(token), 0);
  BW_TRY(state.store.Commit(batch));
  return secret;
}

Result<bool> Auth::OthersMay(std::string_view permission, std::string_view principal) {
  State& state = *state_;
  bool others = false;
  BW_TRY(
      state.store.Scan(kGrants, store::Query::All(), [&](const store::Record& record) -> Result<> {
        GrantRecord grant = BW_TRY(ReadGrant(record));
        if (others || grant.subject == principal) return Ok();
        api::Principal holder;
        holder.grants = BW_TRY(state.Resolve({grant.grant}));
        if (!holder.May(permission)) return Ok();
        // A group may always have somebody in it; a user must be able to log in.
        if (!grant.subject.starts_with("user:")) {
          others = true;
          return Ok();
        }
        auto user = BW_TRY(state.FindUser(std::string_view(grant.subject).substr(5)));
        others = user && !user->value.disabled;
        return Ok();
      }));
  return others;
}

}  // namespace bulwark::auth
