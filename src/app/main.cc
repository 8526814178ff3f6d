#include "app/app.h"

int main(int argc, char** argv) {
  bulwark::Env env = bulwark::Env::Process();
  return bulwark::Main({argv + 1, argv + argc}, env);
}
