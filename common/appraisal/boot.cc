#include "common/appraisal/boot.h"
