#include "common/evidence/ima/log.h"
