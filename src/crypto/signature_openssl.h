#pragma once

// For this folder's .cc files alone.

#include <openssl/evp.h>

#include "crypto/digest.h"

namespace bulwark::crypto {

const EVP_MD* DigestOf(Hash hash);

}  // namespace bulwark::crypto
