#pragma once

// The catalogue of messages: message id → template in both languages. Events, alerts and errors
// keep an id and arguments; whoever shows them asks here. Filled while the program starts, read
// from any thread afterwards.

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "model/text.h"

namespace bulwark {

class Catalog {
 public:
  // An id that is already there with another text is our own bug.
  void Add(std::string id, Text text);
  const Text* Find(std::string_view id) const;
  // The message in that language, with its arguments; where the id is not known, the id itself and
  // the arguments.
  std::string Message(std::string_view id, const MessageArgs& args, Language language) const;
  // An Error for people: translated where its id is known, else the English message it carries.
  // A text may also name {message}, which is that message, and {why}, which is another error where
  // AddWhy() put one.
  std::string Message(const Error& error, Language language) const;
  const std::map<std::string, Text, std::less<>>& all() const { return texts_; }

 private:
  std::map<std::string, Text, std::less<>> texts_;
};

// Makes an error the reason, {why}, of the one that has these arguments; it is translated with it.
void AddWhy(std::vector<Error::Arg>& args, const Error& why);

}  // namespace bulwark
