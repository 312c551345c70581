#include "common/appraisal/ima.h"
