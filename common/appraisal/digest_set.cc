#include "common/appraisal/digest_set.h"
