#include "common/verify/replay/ima.h"
